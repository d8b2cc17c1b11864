"""The zoo matches its description, for the tests that classify it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shared.errors import ImageError
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.image_zoo import SAME, SKIPPED, write_zoo
from worker.decoding.decode import decode


def test_every_file_decodes_as_the_zoo_expects(tmp_path: Path) -> None:
    expected = write_zoo(tmp_path)
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if not p.is_dir()}
    assert found == set(expected)
    for name, wanted in expected.items():
        path = tmp_path / name
        if wanted == SKIPPED:
            assert name.startswith(".") or not stat.S_ISREG(path.lstat().st_mode)
        elif not os.access(path, os.R_OK):
            assert wanted is Status.UNREADABLE
        else:
            assert (name, _outcome(path)) == (name, Status.OK if wanted == SAME else wanted)


def _outcome(path: Path) -> Status:
    try:
        decode(path.read_bytes(), Preprocessing(28, 28, 1))
    except ImageError as error:
        return error.status
    return Status.OK
