"""A running stack keeps the store that it was started with; commands with another one are refused.

Its trainer would publish into its own store, and leave the requests of the other one open.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.requests.client import make_request
from producer.requests.submit import submit
from producer.stack import launch, stack
from shared.broker.runtime_paths import stack_dir
from shared.errors import SetupError
from shared.messages.requests import Promote
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


def test_another_store_is_refused_while_the_stack_runs(place: Place, other: Settings) -> None:
    stack.up(place.settings, 1, floor=0)
    before, supervisor = stack.describe(place.settings), place.the("supervisor")
    refusal = f"uses the store {place.settings.store_path}, .*{other.store}.*hangtag down"
    with pytest.raises(SetupError, match=refusal):
        stack.ensure(other)
    with pytest.raises(SetupError, match=refusal):
        stack.revive(other)
    with pytest.raises(SetupError, match=refusal):
        stack.up(other, 2)
    with pytest.raises(SetupError, match=refusal):
        submit(other, make_request(Promote("mine@2"), "r1"), wait=False)
    assert not other.store_path.exists(), "no request is left in it"
    after = stack.describe(place.settings)
    assert (after.ceiling, place.the("supervisor")) == (before.ceiling, supervisor)
    stack.down(other)
    stack.up(other, 1, floor=0)
    stack.ensure(other)


def test_another_name_of_its_store_is_accepted(
    place: Place, other: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.up(place.settings, 1, floor=0)
    supervisor = place.the("supervisor")
    place.settings.store_path.mkdir()
    other.store_path.symlink_to(place.settings.store_path)
    stack.ensure(other)
    monkeypatch.chdir(place.folder)
    stack.ensure(msgspec.structs.replace(other, store="store"))
    assert place.the("supervisor") == supervisor


def test_a_stack_of_an_earlier_version_is_accepted(place: Place, other: Settings) -> None:
    """It did not record its store."""
    stack.up(place.settings, 1, floor=0)
    Path(stack_dir(place.settings) / launch.STORE_FILE).unlink()
    supervisor = place.the("supervisor")
    stack.ensure(other)
    assert place.the("supervisor") == supervisor
