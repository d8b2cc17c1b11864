"""Histories of the ledger, the journal and the reconciler, compared with an oracle.

A crash between any two steps and the loss of messages, owners or all of Redis neither lose nor
duplicate a row. Every guard in the Lua is needed for that.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis.stateful import run_state_machine_as_test

from shared.broker.celery_app import make_app
from shared.ledger import batch_ledger
from tests.integration.state_machines.batches import guards
from tests.integration.state_machines.batches.history import History
from tests.mutants.run import check_noticed, tried
from tests.mutants.scripts import Mutant, mutants, scripts
from tests.support.failpoints.hypothesis_profiles import FULL, WHOLE
from tests.support.servers.redis_server import RedisServer, server_binaries

pytestmark = pytest.mark.histories

PRELUDE = "batch/prelude"
FILES = (PRELUDE, *(f"batch/{name}" for name in batch_ledger.SCRIPTS))


@pytest.mark.timeout(3600)
def test_every_history_ends_with_one_right_result_for_each_batch(
    server: RedisServer, record_property: Callable[[str, object], None]
) -> None:
    record_property("histories", WHOLE.max_examples)
    app = make_app(server.url, "producer")
    run_state_machine_as_test(cast(Any, lambda: History(server, app)), settings=WHOLE)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", tried(mutants(FILES), guards.QUICK, guards.EQUIVALENT))
def test_some_history_notices_a_script_without_the_guard(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in scripts(mutant, PRELUDE, batch_ledger.SCRIPTS).items():
        monkeypatch.setitem(batch_ledger.SCRIPTS, name, text)
    check_some_history_notices()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "guard",
    [
        pytest.param(guard, marks=() if guard in guards.QUICK else pytest.mark.nightly)
        for guard in guards.IN_PRODUCER
        if FULL or guard in guards.QUICK
    ],
)
def test_some_history_notices_a_producer_without_the_guard(
    guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, method, text, instead = guards.IN_PRODUCER[guard]
    source = textwrap.dedent(inspect.getsource(getattr(owner, method)))
    assert text in source
    found: dict[str, Any] = {}
    exec(source.replace(text, instead), vars(sys.modules[owner.__module__]), found)
    monkeypatch.setattr(owner, method, found[method])
    check_some_history_notices()


def check_some_history_notices() -> None:
    with RedisServer(server_binaries()[0]) as server:
        for text in batch_ledger.SCRIPTS.values():
            server.client.script_load(text)  # the mutant is still a valid script
        check_noticed(History, server, make_app(server.url, "producer"))
