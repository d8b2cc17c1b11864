"""Requests: histories against an oracle, and every guard in the Lua is needed for them.

One trainer at a time has a request; fences rise; a request ends once, and stays so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis.stateful import run_state_machine_as_test
from redis.exceptions import ResponseError

from shared import requests
from shared.errors import BadMessage
from tests.histories import FULL, MUTANTS, WHOLE
from tests.integration.requests import guards
from tests.integration.requests.history import History
from tests.server import RedisServer, server_binaries

#: An oracle that is contradicted, a script that fails, an answer that is none.
ENDS_BADLY = (AssertionError, ResponseError, BadMessage, ValueError)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("binary", server_binaries(), ids=lambda binary: binary.name)
def test_in_every_history_a_request_has_one_trainer_and_one_end(binary: Path) -> None:
    with RedisServer(binary) as server:
        run_state_machine_as_test(cast(Any, lambda: History(server)), settings=WHOLE)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guard", [g for g in guards.IN_LUA if FULL or g in guards.QUICK])
def test_no_history_ends_well_without_the_guard(
    guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, text, instead = guards.IN_LUA[guard]
    for name, whole in requests.SCRIPTS.items():
        if script in (name, "prelude"):
            assert text in whole
            monkeypatch.setitem(requests.SCRIPTS, name, whole.replace(text, instead))
    with RedisServer(server_binaries()[0]) as server:
        for mutant in requests.SCRIPTS.values():
            server.client.script_load(mutant)  # it is a script still
        with pytest.raises(ENDS_BADLY):
            run_state_machine_as_test(cast(Any, lambda: History(server)), settings=MUTANTS)
