"""Every guard in a Lua script has a mutant, or a reason for having none; without a server."""

from __future__ import annotations

import pytest

from shared.errors import BadMessage
from shared.ledger import batch_ledger, request_ledger
from shared.messages.batch import decode_result
from tests.integration.state_machines.batches import guards as of_batches
from tests.integration.state_machines.requests import guards as of_requests
from tests.mutants.promise import Broken, agree, is_broken
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


def test_a_new_guard_has_its_mutants() -> None:
    text = "local function f(a, b)\n  if a >= 1 and not b then return g(a) end\nend\n"
    assert {mutant.name for mutant in mutants_of("new", text)} == {
        "a >= 1 and not b -> true",
        "a >= 1 and not b -> false",
        "a >= 1 and not b -> a >= 1",
        "a >= 1 and not b -> not b",
        "a >= 1 -> a > 1",
    }


def test_an_error_of_the_test_is_not_a_broken_promise() -> None:
    with pytest.raises(Broken) as broken:
        agree(1, 2)
    assert is_broken(broken.value)
    with pytest.raises(ValueError, match="literal") as ours:
        int("x")
    assert not is_broken(ours.value)
    with pytest.raises(BadMessage) as caught:
        decode_result(b"nonsense", 1)
    assert is_broken(caught.value)
    flaky = ExceptionGroup("inconsistent results", [broken.value])
    assert is_broken(flaky)
    assert not is_broken(ExceptionGroup("inconsistent results", [ours.value]))
