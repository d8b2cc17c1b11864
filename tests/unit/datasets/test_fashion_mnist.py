"""Fashion-MNIST is found, verified, and never stored in part."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from shared.errors import SetupError
from worker.datasets import fashion_mnist

Split = tuple[fashion_mnist.Bytes, fashion_mnist.Bytes]
#: Name and header of the two files of the test split.
IDX_FILES = (
    ("t10k-images-idx3-ubyte.gz", "00000803000027100000001c0000001c"),
    ("t10k-labels-idx1-ubyte.gz", "0000080100002710"),
)


def _on_this_machine(split: fashion_mnist.Split) -> Split:
    try:
        return fashion_mnist.load(split, download=False)
    except SetupError:
        pytest.skip("Fashion-MNIST is not on this machine")


@pytest.fixture
def test_split() -> Split:
    return _on_this_machine("test")


@pytest.fixture
def server(tmp_path: Path, test_split: Split) -> Path:
    """A folder that serves the two files of the test split by `file:` addresses."""
    folder = tmp_path / "server"
    folder.mkdir()
    for (name, header), values in zip(IDX_FILES, test_split, strict=True):
        content = bytes.fromhex(header) + values.tobytes()
        (folder / name).write_bytes(gzip.compress(content, compresslevel=1))
    return folder


@pytest.fixture
def elsewhere(test_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Debian's package; returns its (empty) cache of Keras."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "absent")
    monkeypatch.setattr(fashion_mnist, "BASE_URL", (tmp_path / "server").as_uri() + "/")
    return fashion_mnist.keras_folder()


def test_the_test_split_has_a_thousand_images_of_each_of_ten_classes(test_split: Split) -> None:
    images, labels = test_split
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert Counter(labels.tolist()) == dict.fromkeys(range(len(fashion_mnist.LABELS)), 1000)


def test_the_train_split_has_the_published_mean() -> None:
    images, labels = _on_this_machine("train")
    assert images.shape == (60_000, 28, 28)
    assert labels.shape == (60_000,)
    assert images.mean() / 255 == pytest.approx(0.2860, abs=1e-4)


@pytest.mark.parametrize("download", [False, True])
def test_without_any_source_one_line_names_three_fixes(elsewhere: Path, download: bool) -> None:
    with pytest.raises(SetupError) as error:
        fashion_mnist.load("test", download=download)
    text = str(error.value)
    assert "\n" not in text
    for fix in ("dataset-fashion-mnist", str(elsewhere), "network"):
        assert fix in text


def test_a_damaged_cache_is_replaced(elsewhere: Path, server: Path, test_split: Split) -> None:
    elsewhere.mkdir(parents=True)
    for file in server.iterdir():
        (elsewhere / file.name).write_bytes(file.read_bytes()[:-100])
    np.testing.assert_array_equal(fashion_mnist.load("test")[0], test_split[0])
    for file in server.iterdir():
        assert (elsewhere / file.name).read_bytes() == file.read_bytes()


def test_other_data_from_the_server_is_neither_used_nor_stored(
    elsewhere: Path, server: Path
) -> None:
    for file in server.iterdir():
        content = bytearray(gzip.decompress(file.read_bytes()))
        content[-1] ^= 1
        file.write_bytes(gzip.compress(bytes(content), compresslevel=1))
    with pytest.raises(SetupError, match="damaged"):
        fashion_mnist.load("test")
    assert not elsewhere.exists()
