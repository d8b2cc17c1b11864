"""Every guard in a Lua script has a mutant, or a reason for having none; without a server."""

from __future__ import annotations

import pytest

from shared.ledger import batch_ledger, request_ledger
from tests.integration.state_machines.batches import guards as of_batches
from tests.integration.state_machines.requests import guards as of_requests
from tests.mutants.scripts import LUA, guards, mutants, mutants_of, source

FILES = sorted(f"{path.parent.name}/{path.stem}" for path in LUA.glob("*/*.lua"))
EQUIVALENT = of_batches.EQUIVALENT | of_requests.EQUIVALENT
QUICK = (of_batches.QUICK - of_batches.IN_PRODUCER.keys()) | of_requests.QUICK


def test_every_script_belongs_to_a_ledger_whose_histories_test_its_mutants() -> None:
    of_each = {"batch": batch_ledger.SCRIPTS, "request": request_ledger.SCRIPTS}
    names = [f"{kind}/{name}" for kind, all in of_each.items() for name in ("prelude", *all)]
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
