"""Keras: `image_dataset_from_directory` and a compiled `predict`, then the table.

The time of the work starts when TensorFlow is imported, the model loaded and its function traced.
It includes listing the folder and writing the table, as for every contender.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contenders.outputs import card, probabilities

#: Images per step. Of 256, 1,024 and 4,096, and of 1,024 compiled by XLA, it was the fastest with
#: each network.
BATCH_IMAGES = 1024


def main() -> None:
    """Print a report: images, seconds of work."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.contenders.keras_dataset", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of a version")
    given = parser.parse_args()
    rival = Rival(given.folder, given.output, given.model)
    print(json.dumps(rival.run()))


class Rival:
    """One model and one folder."""

    def __init__(self, folder: Path, output: Path, model: Path) -> None:
        import keras

        self._keras = keras
        self._folder, self._output = folder, output
        self._model = keras.models.load_model(model / "model.keras")
        self._card = card(model)
        self._labels: list[str] = self._card["labels"]
        size = self._card["preprocessing"]
        self._size = (size["height"], size["width"])
        self._colours = "rgb" if size["channels"] == 3 else "grayscale"

    def run(self) -> dict[str, float]:
        """Classify the folder."""
        self._model.compile()
        self._model.predict(self._images().take(1), verbose=0)
        start, images = time.monotonic(), self._images()
        outputs = self._model.predict(images, verbose=0)
        if isinstance(outputs, list):  # the logits, then the features for the detector
            outputs = outputs[0]
        predictions = probabilities(outputs, self._card)
        self._write(images.file_paths, predictions)
        return {"images": len(predictions), "work_s": time.monotonic() - start}

    def _images(self) -> Any:
        return self._keras.utils.image_dataset_from_directory(
            self._folder,
            labels=None,
            color_mode=self._colours,
            image_size=self._size,
            pad_to_aspect_ratio=self._colours == "rgb",
            batch_size=BATCH_IMAGES,
            shuffle=False,
            verbose=False,
        )

    def _write(self, paths: Sequence[str], predictions: Any) -> None:
        best, most = predictions.argmax(axis=1).tolist(), predictions.max(axis=1).tolist()
        with self._output.open("w", encoding="utf-8") as table:
            table.write("path,label,confidence\n")
            table.writelines(
                f"{path},{self._labels[label]},{confidence:.4f}\n"
                for path, label, confidence in zip(paths, best, most, strict=True)
            )


if __name__ == "__main__":
    main()
