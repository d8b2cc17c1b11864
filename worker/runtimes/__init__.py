"""Runtimes that run a model: LiteRT and TensorFlow."""
