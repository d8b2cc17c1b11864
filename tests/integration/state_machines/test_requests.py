"""Histories of requests, compared with an oracle; every guard in the Lua is needed.

One trainer at a time holds a request; fences rise; a request ends once and stays ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis.stateful import run_state_machine_as_test

from shared.ledger import request_ledger
from tests.integration.state_machines.requests import guards
from tests.integration.state_machines.requests.history import History
from tests.mutants.run import check_noticed, tried
from tests.mutants.scripts import Mutant, mutants, scripts
from tests.support.failpoints.hypothesis_profiles import WHOLE
from tests.support.servers.redis_server import RedisServer, server_binaries

MAX_ATTEMPTS = 3

pytestmark = pytest.mark.histories

PRELUDE = "request/prelude"
FILES = (PRELUDE, *(f"request/{name}" for name in request_ledger.SCRIPTS))


@pytest.mark.timeout(1200)
def test_in_every_history_a_request_has_one_trainer_and_one_end(
    server: RedisServer, record_property: Callable[[str, object], None]
) -> None:
    record_property("histories", WHOLE.max_examples)
    run_state_machine_as_test(cast(Any, lambda: History(server)), settings=WHOLE)


def test_the_last_of_many_trainers_may_still_make_progress(server: RedisServer) -> None:
    """The deaths before it no longer count, also where its lease had ended."""
    history = History(server)
    history.start()
    history.trainers_die_in_turn(request_id="a", owners=["host:1:1"] * (MAX_ATTEMPTS + 1))
    history.lease_ends("a")
    history.teardown()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", tried(mutants(FILES), guards.QUICK, guards.EQUIVALENT))
def test_some_history_notices_a_script_without_the_guard(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in scripts(mutant, PRELUDE, request_ledger.SCRIPTS).items():
        monkeypatch.setitem(request_ledger.SCRIPTS, name, text)
    with RedisServer(server_binaries()[0]) as server:
        for text in request_ledger.SCRIPTS.values():
            server.client.script_load(text)  # the mutant is still a valid script
        check_noticed(History, server)
