"""A disk that is full within a training: the request waits, says why, and goes on from its
checkpoint once there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from shared.ledger.request_store import RequestState
from tests.support.machine.small_disk import Disk, mounted
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.trainers import EPOCHS, TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small disk")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", "64m") as disk:
        yield disk


@pytest.fixture
def school(server: RedisServer, tmp_path: Path, disk: Disk) -> Iterator[School]:
    """A store on the small disk; the images are elsewhere."""
    data = draw_classes(tmp_path / "shapes")
    with Fleet(server, **TIMES) as fleet, closing(School(fleet, tmp_path, data)) as school:
        school.store.symlink_to(disk.folder)
        yield school


def fault(school: School, request: str) -> str:
    progress = school.look(request).progress
    return progress.fault if progress else ""


def ended_or_waits(school: School, request: str) -> bool:
    return bool(fault(school, request) or school.look(request).outcome)


def test_a_training_goes_on_after_a_disk_was_full(school: School, disk: Disk) -> None:
    school.trainers(1)
    for moment in ("epoch-1", "publishing"):
        model = moment.replace("epoch-1", "learning")
        school.moments.reset()
        school.moments.hold(moment)
        request = school.ask(model)
        school.moments.wait_for(moment)
        disk.fill(0)
        school.moments.let_go(moment)
        wait_for("its end or its wait", partial(ended_or_waits, school, request))
        assert "No space left" in fault(school, request)
        assert school.look(request).state is RequestState.RUNNING
        assert school.look(request).outcome is None
        disk.free()
        school.trained(request)
        (card,) = school.versions(model)
        assert card.request.partition("~")[0] == request
        assert not school.folder(request).work.exists()
    assert school.moments.epochs() == list(range(1, EPOCHS + 1)), "an epoch is repeated"
