"""The ledger, the journal and the reconciler together: histories against an oracle.

Neither a crash between any two steps, nor the loss of messages, owners or all of Redis costs a
row or doubles one; and every guard in the Lua is needed for that.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis.stateful import run_state_machine_as_test
from redis.exceptions import ResponseError

from shared import ledger
from shared.broker import make_app
from tests.histories import FULL, MUTANTS, WHOLE
from tests.integration.ledger import guards
from tests.integration.ledger.history import History
from tests.server import RedisServer, server_binaries


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("binary", server_binaries(), ids=lambda binary: binary.name)
def test_every_history_ends_with_one_right_result_for_each_batch(binary: Path) -> None:
    with RedisServer(binary) as server:
        app = make_app(server.url, "producer")
        run_state_machine_as_test(cast(Any, lambda: History(server, app)), settings=WHOLE)


def tried(all_guards: Iterable[str]) -> list[str]:
    """The guards that this run takes out."""
    return [guard for guard in all_guards if FULL or guard in guards.QUICK]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guard", tried(guards.IN_LUA))
def test_no_history_ends_well_without_the_guard(
    guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, text, instead = guards.IN_LUA[guard]
    for name, whole in ledger.SCRIPTS.items():
        if script in (name, "prelude"):
            assert text in whole
            monkeypatch.setitem(ledger.SCRIPTS, name, whole.replace(text, instead))
    assert_some_history_ends_badly()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guard", tried(guards.IN_PRODUCER))
def test_no_history_ends_well_without_the_producers_guard(
    guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, method, text, instead = guards.IN_PRODUCER[guard]
    whole = textwrap.dedent(inspect.getsource(getattr(owner, method)))
    assert text in whole
    found: dict[str, Any] = {}
    exec(whole.replace(text, instead), vars(sys.modules[owner.__module__]), found)
    monkeypatch.setattr(owner, method, found[method])
    assert_some_history_ends_badly()


def assert_some_history_ends_badly() -> None:
    with RedisServer(server_binaries()[0]) as server:
        app = make_app(server.url, "producer")
        with pytest.raises((AssertionError, ResponseError)):
            run_state_machine_as_test(cast(Any, lambda: History(server, app)), settings=MUTANTS)
