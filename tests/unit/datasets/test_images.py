"""The folders that the demo classifies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.labels.class_folders import folder_of
from shared.messages.model_card import Preprocessing
from tests.support.images.image_zoo import Bytes
from worker import demo as samples
from worker.datasets import fashion_mnist
from worker.decoding.decode import decode

SPEC = Preprocessing(28, 28, 1)


@pytest.fixture(autouse=True)
def data_set(monkeypatch: pytest.MonkeyPatch) -> tuple[Bytes, Bytes]:
    """A hundred images in the place of Fashion-MNIST."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (100, 28, 28), np.uint8)
    labels = random.integers(0, 10, 100).astype(np.uint8)
    monkeypatch.setattr(fashion_mnist, "load", lambda *_: (images, labels))
    return images, labels


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_image_is_in_the_folder_of_its_class(
    tmp_path: Path, data_set: tuple[Bytes, Bytes]
) -> None:
    assert samples.write(tmp_path) == (100, 100)
    images, labels = data_set
    files = _files(tmp_path)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = folder_of(fashion_mnist.LABELS[label])
        assert np.array_equal(decode(files[f"{folder}/{i:05}.png"], SPEC)[..., 0], image)
    assert len(files) == 100
    assert (tmp_path / "T-shirt_top").is_dir()
