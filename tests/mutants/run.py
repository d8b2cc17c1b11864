"""Selects the mutants of a run, and checks that some history detects a mutant."""

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
    """The parameters of a test: the quick mutants, in full runs also the others."""
    return [
        pytest.param(mutant, id=mutant.id, marks=() if mutant.id in quick else pytest.mark.nightly)
        for mutant in found
        if mutant.id not in equivalent and (FULL or mutant.id in quick)
    ]


def check_noticed(machine: type[RuleBasedStateMachine], *arguments: object) -> None:
    """Check that some history breaks a promise; an error of the test itself does not count."""
    try:
        run_state_machine_as_test(cast(Any, lambda: machine(*arguments)), settings=MUTANTS)
    except Exception as error:
        if not is_broken(error):
            raise
    else:
        pytest.fail("no history detects the missing guard")
