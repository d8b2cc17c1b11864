"""`python -m tests.nemesis --minutes N`: rounds of seeded random faults until the time is over.

The seed and the round's number decide all random choices (sizes, kinds of faults, times, durations,
numbers of victims). The rest differs between runs: the batch that a victim holds, the statement at
which it is killed.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

import msgspec

from tests.nemesis import disk, link, plan, summary
from tests.nemesis.fixtures import School
from tests.nemesis.round import Outcome, Round
from tests.nemesis.scenario import Possible


def main() -> int:
    """Returns 0 if every round has passed."""
    given = _parser().parse_args()
    seed = given.seed or secrets.token_hex(4)
    folder = Path(tempfile.mkdtemp(prefix="ht-nemesis-"))
    outcomes = run(given, seed, folder)
    found = summary.summary(seed, outcomes)
    print(summary.formatted(found), flush=True)
    (given.json or folder / "summary.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(found))
    )
    if given.note:
        given.note.write_text(f"{summary.figures(found)}\n")
    if found.failed_rounds:
        print(f"failed; histories are in {folder}")
        kinds = "" if given.faults == list(plan.KINDS) else f" --faults {' '.join(given.faults)}"
        for number in found.failed_rounds:
            print(f"repeat it: python -m tests.nemesis --seed {seed} --round {number}{kinds}")
        return 1
    shutil.rmtree(folder)
    return 0


def run(given: argparse.Namespace, seed: str, folder: Path) -> list[Outcome]:
    """Run the rounds, and print the history of each failed round."""
    print(f"seed {seed}", flush=True)
    possible = _possible(given.faults, folder)
    school = School(folder)
    outcomes = list[Outcome]()
    for number in _numbers(given):
        place = folder / f"round-{number}"
        place.mkdir()
        one = Round(plan.make(seed, number, given.faults), school, possible, place).run()
        print(summary.line(one), flush=True)
        if one.faults:
            print((place / "history.txt").read_text(), flush=True)
            print("\n".join(one.faults), flush=True)
        outcomes.append(one)
    return outcomes


def _numbers(given: argparse.Namespace) -> Iterator[int]:
    """The rounds to run: one, a given number, or at least one until the time is over."""
    if given.round is not None:
        yield given.round
    elif given.rounds is not None:
        yield from range(given.rounds)
    else:
        end = time.monotonic() + 60 * given.minutes
        yield 0
        yield from takewhile(lambda _: time.monotonic() < end, count(1))


def _possible(kinds: list[str], folder: Path) -> Possible:
    trial = folder / "trial"
    trial.mkdir()
    found = Possible(disk.possible(trial), link.possible())
    for kind, can in (("disk_full", found.disk), ("link_down", found.links)):
        if kind in kinds and not can:
            print(f"skipped: {kind} (needs root)", flush=True)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, help="number of rounds, instead of --minutes")
    parser.add_argument("--seed", default="", help="default: a random one, which is printed")
    parser.add_argument("--round", type=int, help="run only the round of this number")
    parser.add_argument("--faults", nargs="+", choices=plan.KINDS, default=list(plan.KINDS),
                        metavar="KIND", help=", ".join(plan.KINDS))  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the summary is written")
    parser.add_argument("--note", type=Path, metavar="FILE", help="where its figures are written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
