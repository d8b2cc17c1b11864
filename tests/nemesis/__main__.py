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
from pathlib import Path

import msgspec

from tests.nemesis import disk, link, plan, summary
from tests.nemesis.round import Outcome, Round
from tests.nemesis.scene import Possible
from tests.nemesis.school import School


def main() -> int:
    """Exit code 0: every round was good."""
    given = _parser().parse_args()
    seed = given.seed or secrets.token_hex(4)
    folder = Path(tempfile.mkdtemp(prefix="ht-nemesis-"))
    outcomes = run(seed, given.minutes, given.round, given.faults, folder)
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


def run(
    seed: str, minutes: float, only: int | None, kinds: list[str], folder: Path
) -> list[Outcome]:
    """Round after round; each failed one is shown with its history."""
    print(f"seed {seed}", flush=True)
    possible = _possible(kinds, folder)
    school = School(folder)
    begun, outcomes = time.monotonic(), list[Outcome]()
    number = only or 0
    while not outcomes or (only is None and time.monotonic() - begun < 60 * minutes):
        place = folder / f"round-{number}"
        place.mkdir()
        one = Round(plan.make(seed, number, kinds), school, possible, place).run()
        print(summary.line(one), flush=True)
        if one.faults:
            print((place / "history.txt").read_text(), flush=True)
            print("\n".join(one.faults), flush=True)
        outcomes.append(one)
        number += 1
    return outcomes


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
    parser.add_argument("--seed", default="", help="default: a new one, which is printed")
    parser.add_argument("--round", type=int, help="only this one, as the seed wants it")
    parser.add_argument("--faults", nargs="+", choices=plan.KINDS, default=list(plan.KINDS),
                        metavar="KIND", help=", ".join(plan.KINDS))  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the summary goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
