"""Each store has a stack of its own, for any name of its folder."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from producer.machine import stack
from shared.broker.runtime_paths import stack_dir
from shared.settings import Settings
from tests.support.processes import local_stack
from tests.support.processes.local_stack import Place


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new(workers=False)


@pytest.fixture
def other(place: Place) -> Settings:
    """The same with another store."""
    return msgspec.structs.replace(place.settings, store=str(place.folder / "other"))


def test_the_stack_of_another_store_is_neither_used_nor_ended(
    place: Place, other: Settings
) -> None:
    stack.up(place.settings, 1, floor=0)
    stack.up(other, 2, floor=0)
    found, theirs = stack.describe(place.settings), stack.describe(other)
    assert (found.ceiling, theirs.ceiling) == (1, 2)
    assert stack.down(other)
    assert stack.describe(place.settings).pid == found.pid != theirs.pid
    assert place.the("supervisor") == found.pid


def test_another_name_of_a_store_leads_to_its_stack(
    place: Place, other: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.settings.store_path.mkdir()
    other.store_path.symlink_to(place.settings.store_path)
    assert stack_dir(other) == stack_dir(place.settings)
    monkeypatch.chdir(place.folder)
    relative = msgspec.structs.replace(other, store="store")
    assert stack_dir(relative) == stack_dir(place.settings)
