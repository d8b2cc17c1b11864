"""Every guard in a Lua script has a mutant, or a reason for having none; without a server."""

from __future__ import annotations

import pytest

from shared.ledger import batch_ledger
from tests.integration.state_machines.batches import guards as of_batches
from tests.mutants.scripts import LUA, guards, mutants, mutants_of, source

FILES = sorted(f"{path.parent.name}/{path.stem}" for path in LUA.glob("*/*.lua"))
EQUIVALENT = of_batches.EQUIVALENT
QUICK = of_batches.QUICK - of_batches.IN_PRODUCER.keys()


def test_every_script_belongs_to_the_ledger_whose_histories_test_its_mutants() -> None:
    names = [f"batch/{name}" for name in ("prelude", *batch_ledger.SCRIPTS)]
    assert sorted(names) == FILES


@pytest.mark.parametrize("file", FILES)
def test_every_guard_has_a_mutant(file: str) -> None:
    text = source(file)
    changed = [mutant.guard for mutant in mutants_of(file, text)]
    for guard in guards(text):
        covered = any(one.start <= guard.start and guard.end <= one.end for one in changed)
        assert covered, text[guard.start : guard.end]


def test_every_listed_name_is_a_mutant() -> None:
    assert (EQUIVALENT.keys() | QUICK) <= {mutant.id for mutant in mutants(FILES)}
    assert not EQUIVALENT.keys() & QUICK
    assert all(EQUIVALENT.values())
