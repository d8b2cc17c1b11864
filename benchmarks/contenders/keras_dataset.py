"""Keras' own way: `image_dataset_from_directory` and a compiled `predict`, with a table at the end.

The work begins when TensorFlow is imported, the model loaded and its function traced; listing the
folder and writing the table belong to it, as for every contender.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment.paths import BEGAN

#: Images per step, and whether XLA compiles it: what --probe tries.
WAYS = ((256, False), (1024, False), (4096, False), (1024, True))


def main() -> None:
    """Prints a report, or with --probe the fastest way to call it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.contenders.keras_dataset", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of a version")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--jit", action="store_true", help="compile by XLA")
    parser.add_argument("--probe", action="store_true")
    given = parser.parse_args()
    began = float(os.environ.get(BEGAN, time.monotonic()))
    rival = Rival(given.folder, given.output, given.model)
    if given.probe:
        print(json.dumps(rival.probe()))
    else:
        print(json.dumps(rival.run(given.batch, given.jit, began)))


class Rival:
    """One model and one folder."""

    def __init__(self, folder: Path, output: Path, model: Path) -> None:
        import keras

        self._keras = keras
        self._folder, self._output = folder, output
        self._model = keras.models.load_model(model / "model.keras")
        card = json.loads((model / "card.json").read_bytes())
        self._labels: list[str] = card["labels"]
        wanted = card["preprocessing"]
        self._size = (wanted["height"], wanted["width"])

    def probe(self) -> dict[str, Any]:
        """The batch and the compiler that are fastest here."""
        times = {way: self.run(*way, began=0.0)["work_s"] for way in WAYS}
        batch, jit = min(WAYS, key=lambda way: times[way])
        return {"batch": batch, "jit": jit}

    def run(self, batch: int, jit: bool, began: float) -> dict[str, float]:
        """Classify the folder."""
        self._model.compile(jit_compile=jit)
        self._model.predict(self._pictures(batch).take(1), verbose=0)
        start, firsts = time.monotonic(), []
        first = self._keras.callbacks.LambdaCallback()
        first.on_predict_batch_end = lambda number, logs=None: (
            firsts.append(time.monotonic()) if number == 0 else None
        )
        pictures = self._pictures(batch)
        answers = self._model.predict(pictures, verbose=0, callbacks=[first])
        self._write(pictures.file_paths, answers)
        work_s = time.monotonic() - start
        return {"images": len(answers), "work_s": work_s, "first_s": firsts[0] - began}

    def _pictures(self, batch: int) -> Any:
        return self._keras.utils.image_dataset_from_directory(
            self._folder,
            labels=None,
            color_mode="grayscale",
            image_size=self._size,
            batch_size=batch,
            shuffle=False,
            verbose=False,
        )

    def _write(self, paths: Sequence[str], answers: Any) -> None:
        best, most = answers.argmax(axis=1).tolist(), answers.max(axis=1).tolist()
        with self._output.open("w", encoding="utf-8") as table:
            table.write("path,label,confidence\n")
            table.writelines(
                f"{path},{self._labels[label]},{confidence:.4f}\n"
                for path, label, confidence in zip(paths, best, most, strict=True)
            )


if __name__ == "__main__":
    main()
