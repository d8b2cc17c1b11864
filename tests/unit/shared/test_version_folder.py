"""The folder of one version: links are refused, and an attempt that dies can be recognised."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from shared.errors import SetupError
from shared.messages.model_card import Card, encode_card
from shared.registry import packaged, version_folder
from shared.registry.registry import Registry

FILES = {"model.tflite": b"one", "model.keras": b"two"}


@pytest.fixture
def card() -> Card:
    return msgspec.structs.replace(packaged.card(), name="shoes", files={})


@pytest.fixture
def published(tmp_path: Path, card: Card) -> Card:
    return Registry(tmp_path / "store").publish(card, FILES)


def test_a_linked_card_makes_no_version(tmp_path: Path, published: Card) -> None:
    model = tmp_path / "store/shoes"
    (model / "2").mkdir()
    (model / "2/card.json").symlink_to("../1/card.json")
    assert version_folder.numbers(model) == [1]


def test_a_linked_folder_has_no_versions(tmp_path: Path, published: Card) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store/shoes")
    assert version_folder.numbers(tmp_path / "link") == []


def test_an_open_file_is_verified_and_at_its_start(tmp_path: Path, published: Card) -> None:
    folder = tmp_path / "store/shoes/1"
    with version_folder.opened(folder, published, "model.keras") as file:
        assert file.read() == b"two"
    (folder / "model.keras").write_bytes(b"twO")
    with (
        pytest.raises(
            SetupError,
            match=r"is missing or damaged; restore .*/model\.keras from a",
        ),
        version_folder.opened(folder, published, "model.keras"),
    ):
        pass


def test_a_file_that_the_card_does_not_list_is_not_read(tmp_path: Path, published: Card) -> None:
    folder = tmp_path / "store/shoes/1"
    (folder / "other.bin").write_bytes(b"other")
    with pytest.raises(SetupError, match=r"shoes@1 has no file other\.bin"):
        version_folder.read_file(folder, published, "other.bin")


def test_files_are_discarded_before_the_card_that_names_their_request(
    tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that ends in between is found by the next one."""
    (tmp_path / ".card.json").write_bytes(encode_card(card))
    (tmp_path / "a folder, which cannot be unlinked").mkdir()
    # In the order that would be wrong: a file system lists names in any order.
    monkeypatch.setattr(Path, "iterdir", lambda path: map(path.joinpath, sorted(os.listdir(path))))
    with pytest.raises(OSError, match="folder, which"):
        version_folder.discard(tmp_path)
    assert version_folder.staged(tmp_path) == card
