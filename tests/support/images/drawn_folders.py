"""Drawn images in folders named like labels, and the packaged version's accuracy on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from shared.labels.class_folders import folder_of
from shared.registry import packaged
from worker.datasets.demo import silhouette
from worker.decoding.decode import decode
from worker.runtimes import load_runtime

CARD = packaged.card()


def draw(root: Path, numbers: Sequence[int], count: int) -> Path:
    """A folder with one subfolder of `count` images for each of these labels."""
    for number in numbers:
        folder = root / folder_of(CARD.labels[number])
        folder.mkdir(parents=True)
        for seed in range(count):
            Image.fromarray(silhouette(number, seed)).save(folder / f"{seed:03}.png")
    return root


def counted(root: Path, numbers: Sequence[int]) -> tuple[float, dict[tuple[int, int], int]]:
    """Accuracy and confusion counts (true, predicted), one file at a time."""
    model = load_runtime.load("litert", CARD, packaged.read("model.tflite"))
    pairs: dict[tuple[int, int], int] = {}
    for number in numbers:
        for path in sorted((root / folder_of(CARD.labels[number])).iterdir()):
            pixels = decode(path.read_bytes(), CARD.preprocessing)
            predicted = int(model.predict(pixels[None]).argmax())
            pairs[number, predicted] = pairs.get((number, predicted), 0) + 1
    right = sum(count for (truth, predicted), count in pairs.items() if truth == predicted)
    return right / sum(pairs.values()), pairs
