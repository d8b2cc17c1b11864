"""What a version records of its held-out images."""

from __future__ import annotations

from pathlib import Path

import msgspec

from shared.registry import packaged
from shared.registry.registry import Registry
from worker.evaluation import heldout_answers


def test_a_version_may_have_no_record(tmp_path: Path) -> None:
    card = msgspec.structs.replace(packaged.card(), files={})
    assert heldout_answers.read(Registry(tmp_path), card) is None
    assert heldout_answers.read_seen(Registry(tmp_path), card) is None
