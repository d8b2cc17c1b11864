"""A short run of the nemesis: rounds of random faults with a fixed seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.nemesis import plan
from tests.support.processes.fleet import ROOT

#: Its first four rounds contain every kind of fault.
SEED = "3937"
#: With and without a training, over a socket and over network links: three to four minutes.
ROUNDS = 4
LIMIT_S = 1_800


def test_the_seed_has_every_kind_of_fault() -> None:
    drawn = {step.kind for number in range(ROUNDS) for step in plan.make(SEED, number).steps}
    assert drawn == set(plan.KINDS)


@pytest.mark.nightly
@pytest.mark.timeout(LIMIT_S)
def test_rounds_of_random_faults_lose_double_and_change_no_row(tmp_path: Path) -> None:
    found = tmp_path / "summary.json"
    command = ["-m", "tests.nemesis", "--seed", SEED, "--rounds", str(ROUNDS)]
    done = subprocess.run(
        [sys.executable, *command, "--json", str(found)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout[-20_000:]
    figures = msgspec.json.decode(found.read_bytes())
    assert figures["rounds"] == ROUNDS
    assert (figures["lost"], figures["doubled"], figures["wrong"]) == (0, 0, 0)
    assert sum(figures["faults"].values()) >= 20, "too few faults were injected"
    assert figures["results"] >= figures["batches"], "some results were not counted"
    assert sum(figures["met_with_a_claim"].values()) >= 4, "too few victims held a claim"
