"""Ray Data: `read_images` and `map_batches`, with the same `.tflite` file.

It runs in a separate environment and imports nothing of Hangtag.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray  # type: ignore[import-not-found]
from ai_edge_litert.interpreter import Interpreter

OBJECT_STORE_BYTES = 1 << 30
Columns = dict[str, Any]


def main() -> None:
    """Print a report: images, seconds of work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of a version")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    ray.init(
        num_cpus=given.workers,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=OBJECT_STORE_BYTES,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        print(json.dumps(run(given.folder, given.output, given.model)))
    finally:
        ray.shutdown()


def run(folder: str, output: Path, model: Path) -> dict[str, float]:
    """Classify; the time of the work starts when Ray runs."""
    start, images = time.monotonic(), 0
    card = json.loads((model / "card.json").read_bytes())
    labels = card["labels"]
    images_data = ray.data.read_images(os.path.abspath(folder), mode="L", include_paths=True)
    # A function on whole blocks, so that Ray reads and classifies in one task. It is twice as fast
    # as actors, or as batches of 1,024, which go through its object store.
    predictions = images_data.map_batches(
        classifier((model / "model.tflite").read_bytes(), card), batch_size=None
    )
    with output.open("w", encoding="utf-8") as table:
        table.write("path,label,confidence\n")
        for batch in predictions.iter_batches(batch_size=None):
            images += len(batch["path"])
            table.writelines(
                f"{path},{labels[label]},{confidence:.4f}\n"
                for path, label, confidence in zip(*(batch[c] for c in batch), strict=True)
            )
    return {"images": images, "work_s": time.monotonic() - start}


def classifier(artifact: bytes, card: dict[str, Any]) -> Callable[[Columns], Columns]:
    """The function for `map_batches`; each Ray process loads the model once."""
    loaded: list[Any] = []

    def classify(batch: Columns) -> Columns:
        if not loaded:
            loaded.append(interpreter(artifact, card["call_images"]))
        predictions = probabilities(predict(loaded[0], np.asarray(batch["image"])), card)
        return {
            "path": batch["path"],
            "label": predictions.argmax(axis=1),
            "confidence": predictions.max(axis=1),
        }

    return classify


def interpreter(artifact: bytes, call_images: int) -> Interpreter:
    """For calls of the version's size, as Hangtag has them."""
    found = Interpreter(model_content=artifact, num_threads=1)
    (input_,) = found.get_input_details()
    found.resize_tensor_input(input_["index"], [call_images, *input_["shape"][1:]])
    found.allocate_tensors()
    return found


def probabilities(outputs: Any, card: dict[str, Any]) -> Any:
    """As in benchmarks/contenders/outputs.py."""
    if card.get("output", "probabilities") == "probabilities":
        return outputs
    scaled = outputs.astype(np.float64) / card["temperature"]
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def predict(interpreter: Any, images: Any) -> Any:
    """Calls of as many images as the input has, the last one padded."""
    (output,), (input_,) = interpreter.get_output_details(), interpreter.get_input_details()
    size = int(input_["shape"][0])
    predictions = np.empty((len(images), output["shape"][1]), np.float32)
    for start in range(0, len(images), size):
        part = np.zeros(input_["shape"], np.uint8)
        count = len(images[start : start + size])
        part[:count, :, :, 0] = images[start : start + size]
        interpreter.set_tensor(input_["index"], part)
        interpreter.invoke()
        predictions[start : start + count] = interpreter.get_tensor(output["index"])[:count]
    return predictions


if __name__ == "__main__":
    main()
