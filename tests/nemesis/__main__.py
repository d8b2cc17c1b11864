"""`python -m tests.nemesis --minutes N`: rounds of seeded random faults until the time is over.

Everything that is drawn by chance (sizes, kinds of faults, moments, durations, victims by number)
comes from the seed and the round's number. What the operating system makes of it differs from run
to run: which batch a victim holds, which statement it is killed at.
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
    """Exit code 0: every round was good."""
    given = _parser().parse_args()
    seed = given.seed or secrets.token_hex(4)
    folder = Path(tempfile.mkdtemp(prefix="ht-nemesis-"))
    outcomes = run(given, seed, folder)
    found = summary.summary(seed, outcomes)
    print(summary.shown(found), flush=True)
    (given.json or folder / "summary.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(found))
    )
    if found.failed_rounds:
        print(f"failed; histories are in {folder}")
        kinds = "" if given.faults == list(plan.KINDS) else f" --faults {' '.join(given.faults)}"
        for number in found.failed_rounds:
            print(f"repeat it: python -m tests.nemesis --seed {seed} --round {number}{kinds}")
        return 1
    shutil.rmtree(folder)
    return 0


def run(given: argparse.Namespace, seed: str, folder: Path) -> list[Outcome]:
    """Round after round; each failed one is shown with its history."""
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
    """The rounds to run: one, so many, or as many as there is time for, at least one."""
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
            print(f"skipped here: {kind} (it needs root)", flush=True)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, help="so many, however long they take")
    parser.add_argument("--seed", default="", help="default: a new one, which is printed")
    parser.add_argument("--round", type=int, help="only this one, as the seed wants it")
    parser.add_argument("--faults", nargs="+", choices=plan.KINDS, default=list(plan.KINDS),
                        metavar="KIND", help=", ".join(plan.KINDS))  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the summary goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
