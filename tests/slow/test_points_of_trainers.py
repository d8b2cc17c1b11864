"""A trainer's child fails, or is suspended, at its other crash points (5 minutes)."""

from __future__ import annotations

import pytest

from tests.faults.trainer.test_failpoints import (
    PASSAGES,
    SOME,
    Scene,
    check_trained_once,
    scene,
    shared_scene,
)
from tests.support.failpoints.armed import RAISE, STOP, Shot

pytestmark = pytest.mark.nightly

OTHERS = [
    Shot(name, passages[-1], how)
    for name, passages in PASSAGES.items()
    if name not in SOME
    for how in (RAISE, STOP)
]
__all__ = ["scene", "shared_scene"]  # fixtures


@pytest.mark.parametrize("shot", OTHERS, ids=str)
def test_a_trainer_at_any_other_point_makes_one_version_or_none(scene: Scene, shot: Shot) -> None:
    check_trained_once(scene, shot)
