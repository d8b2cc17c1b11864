"""The runtimes that execute a model: LiteRT, TensorFlow, ONNX Runtime."""
