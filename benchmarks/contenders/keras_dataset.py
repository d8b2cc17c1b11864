"""Keras: `image_dataset_from_directory` and a compiled `predict`, then the table.

The time of the work starts when TensorFlow is imported, the model loaded and its function traced.
It includes listing the folder and writing the table, as for every contender.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders.outputs import card, probabilities
from benchmarks.environment.paths import STARTED


class Way(NamedTuple):
    """A way to call Keras."""

    batch: int  #: images per step
    jit: bool  #: whether XLA compiles it


#: --probe tries these.
WAYS = (Way(256, False), Way(1024, False), Way(4096, False), Way(1024, True))


def main() -> None:
    """Print a report, or with --probe the fastest way to call Keras."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.contenders.keras_dataset", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of a version")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--jit", action="store_true", help="compile with XLA")
    parser.add_argument("--probe", action="store_true")
    given = parser.parse_args()
    started = float(os.environ.get(STARTED, time.monotonic()))
    rival = Rival(given.folder, given.output, given.model)
    if given.probe:
        print(json.dumps(rival.probe()))
    else:
        print(json.dumps(rival.run(given.batch, given.jit, started)))


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

    def probe(self) -> dict[str, Any]:
        """The fastest batch size and compiler on this machine."""
        times = {way: self.run(*way, started=0.0)["work_s"] for way in WAYS}
        return min(WAYS, key=lambda way: times[way])._asdict()

    def run(self, batch: int, jit: bool, started: float) -> dict[str, float]:
        """Classify the folder."""
        self._model.compile(jit_compile=jit)
        self._model.predict(self._images(batch).take(1), verbose=0)
        start, firsts = time.monotonic(), []
        first = self._keras.callbacks.LambdaCallback()
        first.on_predict_batch_end = lambda number, logs=None: (
            firsts.append(time.monotonic()) if number == 0 else None
        )
        images = self._images(batch)
        outputs = self._model.predict(images, verbose=0, callbacks=[first])
        if isinstance(outputs, list):  # the logits, then the features for the detector
            outputs = outputs[0]
        predictions = probabilities(outputs, self._card)
        self._write(images.file_paths, predictions)
        work_s = time.monotonic() - start
        return {"images": len(predictions), "work_s": work_s, "first_s": firsts[0] - started}

    def _images(self, batch: int) -> Any:
        return self._keras.utils.image_dataset_from_directory(
            self._folder,
            labels=None,
            color_mode=self._colours,
            image_size=self._size,
            pad_to_aspect_ratio=self._colours == "rgb",
            batch_size=batch,
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
