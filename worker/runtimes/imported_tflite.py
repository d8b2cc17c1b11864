"""`model.tflite` of another tool by LiteRT."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from worker.runtimes.imported_graph import Row, Values


class TfliteNetwork:
    """A `.tflite` file that takes an image in float32 or uint8. Quantized outputs are scaled."""

    def __init__(self, artifact: bytes) -> None:
        """Raises ValueError: it cannot be loaded, or does not take one image."""
        try:
            self._interpreter = Interpreter(model_content=artifact, num_threads=1)
            self._interpreter.allocate_tensors()
            # The names in a damaged file may not be UTF-8.
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
        self._input, self._output = inputs[0], outputs[0]
        self.shape = tuple(int(side) for side in self._input["shape"])
        if self._input["dtype"] not in (np.uint8, np.float32) or self._output["dtype"] not in (
            np.uint8,
            np.int8,
            np.float32,
        ):
            raise ValueError("its values are neither float32 nor uint8")
        self.takes_uint8: bool = self._input["dtype"] is np.uint8

    def row(self, values: Values) -> Row:
        """As `Network.row`."""
        try:
            self._interpreter.set_tensor(self._input["index"], values)
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        numbers = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        if self._output["dtype"] is np.float32:
            return np.asarray(numbers, np.float32)
        scale, zero = self._output["quantization"]
        return np.asarray((numbers.astype(np.float32) - zero) * scale, np.float32)
