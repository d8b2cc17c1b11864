"""Which mutants a run tries, and whether some history notices one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

import pytest
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.mutants.promise import is_broken
from tests.mutants.scripts import Mutant
from tests.support.failpoints.hypothesis_profiles import FULL, MUTANTS


def tried(
    found: Iterable[Mutant], quick: Collection[str], equivalent: Mapping[str, str]
) -> list[Any]:
    """The parameters of a test: those of the quick runs, and in the full ones all others."""
    return [
        pytest.param(mutant, id=mutant.id, marks=() if mutant.id in quick else pytest.mark.nightly)
        for mutant in found
        if mutant.id not in equivalent and (FULL or mutant.id in quick)
    ]


def check_noticed(machine: type[RuleBasedStateMachine], *arguments: object) -> None:
    """Some history breaks a promise; an error of the test itself is not taken for that."""
    try:
        run_state_machine_as_test(cast(Any, lambda: machine(*arguments)), settings=MUTANTS)
    except Exception as error:
        if not is_broken(error):
            raise
    else:
        pytest.fail("no history notices that the guard is missing")
