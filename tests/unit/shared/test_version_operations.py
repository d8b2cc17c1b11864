"""Operations on a store: each is executed once, and no version in use is deleted."""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import file_lock
from shared.errors import SetupError
from shared.ledger.request_inbox import RequestInbox
from shared.messages.model_card import Card
from shared.messages.replies import Pruned
from shared.messages.requests import (
    Evaluate,
    Promote,
    Remove,
    Request,
    Rollback,
)
from shared.messages.training import Train
from shared.registry import operations, packaged
from shared.registry.alias_log import AliasLog
from shared.registry.registry import Registry
from tests.support.jobs import handler_context, stored_requests
from tests.support.servers.redis_server import RedisServer
from worker.requests import manage_versions

LEFTOVER_S = 86_400.0
NAME = "shoes"
VERSIONS = 5
FILES = {"model.tflite": b"12345", "model.keras": b"1234567890"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with VERSIONS versions of NAME; the first is in production."""
    root = tmp_path_factory.mktemp("template")
    for number in range(VERSIONS):
        Registry(root).publish(card(number), FILES)
    return root


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Registry:
    return copied(template, tmp_path / "store")


def copied(template: Path, root: Path) -> Registry:
    shutil.copytree(template, root, dirs_exist_ok=True)
    return Registry(root)


def card(seed: int = 0) -> Card:
    return msgspec.structs.replace(packaged.card(), name=NAME, seed=seed, files={})


def versions(registry: Registry) -> set[int]:
    return set(registry.versions(NAME))


def test_a_promotion_returns_the_previous_version_and_stores_user_and_reason(
    registry: Registry,
) -> None:
    decided = operations.move(registry, Promote(f"{NAME}@3", why="better"), "ann@host")
    assert (decided.version, decided.before, decided.changed) == (3, 1, True)
    last = registry.history(NAME)[-1]
    assert (last.who, last.why, last.action) == ("ann@host", "better", "promote")
    back = operations.move(registry, Rollback(NAME), "bob@host")
    assert (back.version, back.before, back.changed) == (1, 3, True)


def test_a_request_is_executed_once_however_often_it_is_retried(registry: Registry) -> None:
    for version in (2, 3):
        operations.move(registry, Promote(f"{NAME}@{version}"), "")
    first = operations.move(registry, Rollback(NAME), "", request="r1")
    assert operations.move(registry, Rollback(NAME), "", request="r1") == first
    assert registry.aliases(NAME) == {"production": 2}
    promoted = operations.move(registry, Promote(f"{NAME}@5"), "", request="r2")
    operations.move(registry, Promote(f"{NAME}@4"), "", request="r3")
    assert operations.move(registry, Promote(f"{NAME}@5"), "", request="r2") == promoted
    assert registry.aliases(NAME) == {"production": 4}


def test_an_unconfirmed_operation_is_not_executed(registry: Registry) -> None:
    def lost() -> None:
        raise SetupError("the work must stop")

    operations.move(registry, Promote(f"{NAME}@2"), "")
    before = registry.history(NAME)
    for call in (
        lambda: operations.move(registry, Promote(f"{NAME}@3"), "", confirm=lost),
        lambda: operations.move(registry, Rollback(NAME), "", confirm=lost),
        lambda: operations.remove(registry, Remove(NAME, keep=0), {}, [], confirm=lost),
    ):
        with pytest.raises(SetupError, match="must stop"):
            call()
    assert registry.history(NAME) == before
    assert versions(registry) == {1, 2, 3, 4, 5}


@settings(max_examples=40)
@given(
    promotions=st.lists(st.tuples(st.integers(1, VERSIONS), st.sampled_from(["production", "b"]))),
    busy=st.sets(st.integers(1, VERSIONS + 2)),
    in_use=st.sets(st.integers(1, VERSIONS + 2)),
    keep=st.integers(0, VERSIONS + 1),
)
def test_pruning_deletes_exactly_the_unused_versions(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    promotions: list[tuple[int, str]],
    busy: set[int],
    in_use: set[int],
    keep: int,
) -> None:
    registry = copied(template, tmp_path_factory.mktemp("store"))
    stood: dict[str, list[int]] = {"production": [1], "b": []}
    for version, alias in promotions:
        operations.move(registry, Promote(f"{NAME}@{version}", alias), "")
        if stood[alias][-1:] != [version]:
            stood[alias].append(version)
    needed = {number for row in stood.values() for number in row[-2:]} | busy | in_use
    needed |= set(range(VERSIONS - keep + 1, VERSIONS + 1))
    work = Remove(NAME, keep=keep, dry_run=True, in_use=dict.fromkeys(in_use, "a job"))
    planned = operations.remove(registry, work, dict.fromkeys(busy, "a job"), [])
    assert versions(registry) == {1, 2, 3, 4, 5}
    work = msgspec.structs.replace(work, dry_run=False)
    done = operations.remove(registry, work, dict.fromkeys(busy, "a job"), [])
    assert done == planned
    assert versions(registry) == set(done.kept) == needed & {1, 2, 3, 4, 5}
    assert all(done.kept.values())
    assert done.freed_bytes == len(done.removed) * sum(map(len, FILES.values()))
    assert set(registry.aliases(NAME).values()) <= versions(registry)


def test_a_version_with_a_damaged_card_can_be_pruned(registry: Registry) -> None:
    (registry.root / NAME / "3/card.json").write_bytes(b"{")
    assert 3 in operations.remove(registry, Remove(NAME, keep=2), {}, []).removed
    assert 3 not in versions(registry)


def test_the_packaged_version_is_not_pruned_and_the_reason_is_given(registry: Registry) -> None:
    pruned = operations.remove(registry, Remove(packaged.NAME, keep=0), {}, [])
    assert pruned.removed == ()
    assert "part of Hangtag" in pruned.kept[0]


def test_files_without_a_version_are_deleted_after_a_day(registry: Registry) -> None:
    """Left by a trainer that was killed, for a request that is not retried."""
    for number, age_s in ((6, LEFTOVER_S - 60), (7, LEFTOVER_S + 60)):
        folder = registry.root / NAME / str(number)
        folder.mkdir()
        for name in (".card.json", "model.keras"):
            (folder / name).write_bytes(bytes(100))
            os.utime(folder / name, (time.time() - age_s,) * 2)
    planned = operations.remove(registry, Remove(NAME, keep=VERSIONS, dry_run=True), {}, [])
    assert operations.remove(registry, Remove(NAME, keep=VERSIONS), {}, []) == planned
    assert (planned.removed, planned.freed_bytes) == ((), 200)
    left = [path for number in (6, 7) for path in (registry.root / NAME / str(number)).iterdir()]
    assert {path.parent.name for path in left} == {"6"}
    assert operations.remove(registry, Remove(NAME, keep=VERSIONS), {}, []).freed_bytes == 0
    assert registry.publish(card(), FILES).version == 8


def test_a_trainer_keeps_what_an_open_request_uses(server: RedisServer, registry: Registry) -> None:
    work = Remove(NAME, keep=0)
    context, _ = handler_context.make(server, registry.root, work)
    queued = Request("queued", Evaluate(f"{NAME}@3"), "", time.time())
    RequestInbox(server.client).submit(queued)  # no trainer has stored it yet
    stored_requests.keep(registry.root, msgspec.structs.replace(queued, id="stored"))
    pruned = manage_versions.remove(context, work).answer
    assert isinstance(pruned, Pruned)
    assert pruned.kept == {
        1: "production stands for it",
        3: "request stored needs it; request queued needs it",
    }


def test_of_two_promotions_at_once_to_a_version_one_is_logged(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a person, and of the trainer that has published the version."""
    reached, acquire = threading.Event(), file_lock.acquire

    def announced(file: int) -> None:
        reached.set()
        acquire(file)

    work = Promote(f"{NAME}@3")
    with ThreadPoolExecutor() as pool:
        with AliasLog(registry.folder(NAME)).locked() as log:
            monkeypatch.setattr(file_lock, "acquire", announced)
            waiting = pool.submit(operations.move, registry, work, "ann")
            assert reached.wait(30)
            log.append("production", 3, "promote", "trainer", "better")
        assert not waiting.result(30).changed
    assert [one.who for one in registry.history(NAME)][1:] == ["trainer"]


def test_a_mark_without_a_decision_decides_nothing(registry: Registry) -> None:
    assert registry.decided(NAME, "r1") is None
    done = operations.move(registry, Promote(f"{NAME}@3"), "", request="r1")
    assert registry.decided(NAME, "r1") == done
    assert registry.decided(NAME, "") is None


def test_promoting_the_production_version_changes_nothing(registry: Registry) -> None:
    """Otherwise a rollback would lead to the current version."""
    before = registry.history(NAME)
    decided = operations.move(registry, Promote(f"{NAME}@1"), "")
    assert not decided.changed
    assert registry.history(NAME) == before


def test_requests_for_other_models_keep_no_version(registry: Registry) -> None:
    for number in range(2):
        registry.publish(msgspec.structs.replace(card(number), name="boots"), FILES)
    for work in (Evaluate("boots@2"), Rollback("boots"), Train("boots", "tutorial")):
        other = Request("other", work, "", time.time())
        assert list(operations.used_by(registry, NAME, other)) == []
    assert operations.remove(registry, Remove(NAME, 2), {}, [other]).removed == (2,)
