"""The runtimes that execute a model: LiteRT and TensorFlow."""
