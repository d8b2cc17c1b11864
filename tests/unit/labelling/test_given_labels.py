"""Labels of a program are for images that can be classified."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producer.labelling import given_labels
from shared.errors import UsageError
from shared.labels.labels_so_far import Decided


def test_an_image_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "a.gif"
    image.write_bytes(b"GIF89a" + bytes(20))
    labels, file = {os.fsencode(image): Decided("label", "coat")}, tmp_path / "labels.jsonl"
    monkeypatch.setattr(given_labels, "MAX_FILE_BYTES", 25)
    with pytest.raises(UsageError, match="no image that can be classified"):
        given_labels.give(str(tmp_path), labels, file, "ada")
    monkeypatch.setattr(given_labels, "MAX_FILE_BYTES", 26)
    assert given_labels.give(str(tmp_path), labels, file, "ada") == {"coat": 1}
