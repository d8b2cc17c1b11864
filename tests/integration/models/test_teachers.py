"""The teachers of a requested training: fixed for all its attempts, trained once, of its form."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared.errors import SetupError
from shared.messages.requests import Progress, Prune, Request
from shared.messages.training import Train
from shared.registry import packaged, pruning, removal
from shared.registry.registry import Registry
from tests.support.jobs import handler_context
from tests.support.processes.trainers import draw_classes
from tests.support.servers.redis_server import RedisServer
from worker.handlers import teacher_versions
from worker.handlers.context import RequestStopped
from worker.handlers.train import train
from worker.requests.workspace import Workspace

NAME = "shoes"


class StoppingLease(handler_context.Notes):
    """A trainer that is stopped after an epoch: number of the teacher, number of the epoch."""

    def __init__(self, last: tuple[int, int]) -> None:
        super().__init__()
        self._last = last

    @property
    def epochs(self) -> list[tuple[int, int]]:
        """Each epoch with its teacher, once, in order."""
        found = [(one.teacher, one.epoch) for one in self.reported if one.epoch]
        return list(dict.fromkeys(found))

    def report(self, progress: Progress) -> None:
        super().report(progress)
        if self._last in [(one.teacher, one.epoch) for one in progress.ended]:
            raise RequestStopped("stopped")


def _publish(registry: Registry, count: int) -> None:
    card = msgspec.structs.replace(packaged.card(), name=NAME)
    for _ in range(count):
        registry.publish(card, {"model.keras": b"never read"})


def test_an_alias_stands_for_one_version_in_all_attempts_at_a_request(
    server: RedisServer, tmp_path: Path
) -> None:
    _publish(Registry(tmp_path), 2)
    names = (NAME, f"{NAME}@1", f"{NAME}@2")
    context, _ = handler_context.make(server, tmp_path, Train(NAME, "fast", teachers=names))
    assert teacher_versions.pinned(context, names) == ("shoes@1", "shoes@2")
    context.registry.promote(NAME, 2)
    assert teacher_versions.pinned(context, names) == ("shoes@1", "shoes@2")
    other, _ = handler_context.make(server, tmp_path, Train(NAME, "fast"), request_id="r2")
    assert teacher_versions.pinned(other, (NAME,)) == ("shoes@2",)
    assert teacher_versions.pinned(other, ()) == ()


def test_a_teacher_stays_in_the_store_when_its_alias_moves_on(
    server: RedisServer, tmp_path: Path
) -> None:
    """A later attempt at the request needs the same version."""
    _publish(Registry(tmp_path), 3)
    request = Request("r1", Train("boots", "fast", teachers=(NAME,)), "me@here", 1.0)
    context, _ = handler_context.make(server, tmp_path, request.work, request_id=request.id)
    assert context.folder == Workspace(tmp_path, request.id).work
    context.registry.promote(NAME, 2)
    assert used(context.registry, request) == {2}
    teacher_versions.pinned(context, (NAME,))
    context.registry.promote(NAME, 3)
    assert used(context.registry, request) == {2}
    prune = Prune(NAME, keep=0)
    assert pruning.prune(context.registry, prune, {}, [request]).removed == (1,)


def used(registry: Registry, request: Request) -> set[int | None]:
    """The versions of NAME that a request needs."""
    return set(removal.used_by(registry, NAME, request))


def test_teachers_that_cannot_teach_are_refused_before_anything_is_trained(
    server: RedisServer, tmp_path: Path
) -> None:
    _publish(Registry(tmp_path / "store"), 1)
    photos = str(draw_classes(tmp_path / "photos"))
    for number, (teacher, message) in enumerate(
        [
            (f"{NAME}@7", "there is no version shoes@7; there is: shoes@1;"),
            (f"{NAME}@best", "there is no alias shoes@best"),
            (NAME, "shoes@1 has other labels than photos"),
        ]
    ):
        work = Train(NAME, "tutorial", photos, teach_by=1, teachers=(teacher,))
        context, notes = handler_context.make(
            server, tmp_path / "store", work, request_id=f"r{number}"
        )
        with pytest.raises(SetupError, match=message):
            train(context, work)
        assert not any(progress.epoch for progress in notes.reported)


def test_a_later_attempt_continues_in_the_network_where_the_last_one_stopped(
    server: RedisServer, tmp_path: Path
) -> None:
    photos = str(draw_classes(tmp_path / "photos"))
    work = Train(NAME, "tutorial", photos, epochs=2, teach_by=2)
    context, _ = handler_context.make(server, tmp_path / "store", work)
    for last, expected in [((2, 1), [(1, 1), (1, 2), (2, 1)]), ((0, 1), [(2, 2), (0, 1)])]:
        lease = StoppingLease(last)
        with pytest.raises(RequestStopped):
            train(msgspec.structs.replace(context, lease=lease), work)
        assert lease.epochs == expected
