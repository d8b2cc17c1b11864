"""The folders that the demo classifies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from shared.messages.model_card import Preprocessing
from tests.support.images.image_zoo import Bytes
from worker.datasets import fashion_mnist
from worker.decoding.decode import decode
from worker.demo import images as samples

SPEC = Preprocessing(28, 28, 1)
COUNT = 60


@pytest.fixture(autouse=True)
def data_set(monkeypatch: pytest.MonkeyPatch) -> tuple[Bytes, Bytes]:
    """A hundred images in the place of Fashion-MNIST."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (100, 28, 28), np.uint8)
    labels = random.integers(0, 10, 100).astype(np.uint8)
    monkeypatch.setattr(fashion_mnist, "load", lambda *_: (images, labels))
    return images, labels


@pytest.fixture
def no_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise SetupError("Fashion-MNIST is not on this machine: connect it")

    monkeypatch.setattr(fashion_mnist, "load", load)


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


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    samples.write(tmp_path, COUNT)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert samples.write(tmp_path, COUNT) == (0, COUNT)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == times


@pytest.mark.parametrize("done", [1, COUNT // 2, COUNT - 1])
def test_an_interrupted_run_is_completed(tmp_path: Path, done: int) -> None:
    samples.write(tmp_path / "whole", COUNT)
    samples.write(tmp_path / "cut", done)
    last = next((tmp_path / "cut").rglob(f"{done - 1:05}.png"))
    last.write_bytes(last.read_bytes()[:50])
    assert samples.write(tmp_path / "cut", COUNT) == (COUNT - done, COUNT)
    assert _files(tmp_path / "cut") == _files(tmp_path / "whole")


@pytest.mark.usefixtures("no_data_set")
def test_without_the_data_set_garments_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert samples.main([str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "connect it" in printed.err
    assert "wrote 1,000 of 1,000" in printed.out
    assert len(set(_files(tmp_path).values())) == 1000
    assert len(list(tmp_path.glob("Bag/drawn-*.png"))) == 100


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert samples.main([str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_count_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        samples.main([str(tmp_path), "--count", "0"])
    assert caught.value.code == 2


def test_tensorflow_is_not_needed() -> None:
    code = (
        "import sys, worker.demo.images; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
