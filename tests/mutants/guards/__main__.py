"""`python -m tests.mutants.guards [PACKAGE ...]`: run the tests without each guard in turn.

Each mutant is one guard replaced. It is killed if a test fails that evaluates the guard. A survivor
needs a test, or its reason in `equivalents.py`.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import pytest

from tests.mutants.guards import active
from tests.mutants.guards.equivalents import EQUIVALENT
from tests.mutants.guards.find import mutants_of
from tests.mutants.guards.packages import PACKAGES, ROOT
from tests.mutants.guards.zygote import KILLED, SPARE_S, UNDECIDED, Verdict, Zygote, arguments


class Selection(NamedTuple):
    """What a run mutates."""

    sources: list[Path]
    tests: list[str]
    mutants: list[str]


def main() -> int:
    """Exit code 0: every mutant is killed or listed."""
    given = _parser().parse_args()
    try:
        re.compile(given.only)
    except re.error as error:
        print(f"ONLY is no regular expression: {error}: {given.only}", file=sys.stderr)
        return 2
    selected = _planted(given) if given.sources else _of_packages(given)
    started = time.monotonic()
    mutants = [mutant for mutant in selected.mutants if mutant not in EQUIVALENT]
    slow = [str(ROOT / path) for package in PACKAGES.values() for path in package.slow]
    run = Zygote(mutants, given.jobs, slow, given.spare_s)
    active.install(given.root, selected.sources)
    code = pytest.main(arguments(given.tests or selected.tests), plugins=[run])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(code)
    _report(run, len(selected.mutants), time.monotonic() - started, given.note)
    return int(any(verdict.result != KILLED for verdict in run.verdicts))


def _of_packages(given: argparse.Namespace) -> Selection:
    names, part, parts = given.packages or list(PACKAGES), 0, 1
    if given.share is not None:
        name, part, parts = _share(given.share)
        names = [name]
        print(f"share {given.share}: part {part + 1} of {parts} of {name}")
    ids = [one for name in names for path in PACKAGES[name].files() for one in _ids(ROOT, path)]
    return Selection(
        [path for package in PACKAGES.values() for path in package.files()],
        [str(ROOT / path) for name in names for path in PACKAGES[name].all_tests],
        [one for one in ids if re.search(given.only, one) and crc32(one.encode()) % parts == part],
    )


def _planted(given: argparse.Namespace) -> Selection:
    paths = [given.root / path for path in given.sources]
    return Selection(paths, [], [one for path in paths for one in _ids(given.root, path)])


def _ids(root: Path, path: Path) -> list[str]:
    return [mutant.id for mutant in mutants_of(root, path)]


def _share(number: int) -> tuple[str, int, int]:
    """The package of a share, its part, and the number of parts."""
    all_shares = [(name, i, package.shares)
                  for name, package in PACKAGES.items() for i in range(package.shares)]  # fmt: skip
    return all_shares[number % len(all_shares)]


def _report(run: Zygote, count: int, seconds: float, note: Path | None) -> None:
    for test in run.failed:
        print(f"fails without a mutant: {test}")
    survivors = [verdict for verdict in run.verdicts if verdict.result != KILLED]
    print(_table(survivors), end="")
    killed, listed = len(run.verdicts) - len(survivors), count - len(run.verdicts)
    undecided = sum(verdict.result == UNDECIDED for verdict in survivors)
    survive = len(survivors) - undecided
    line = (f"{count} mutants: {killed} killed, {listed} equivalent, {survive} survive, "
            f"{undecided} undecided; {seconds:.0f} s")  # fmt: skip
    print(line)
    # Like a test runner's last line: pytest's own says that it ran no test.
    print(f"guards: {killed + listed} passed, {len(survivors)} failed")
    if note is not None:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{line}\n")


def _table(survivors: Sequence[Verdict]) -> str:
    rows = sorted((survivor.mutant, survivor.result, survivor.tests) for survivor in survivors)
    return "".join(f"{result}, {tests} tests reach it: {name}\n" for name, result, tests in rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.guards", description=__doc__)
    parser.add_argument("packages", nargs="*", help=f"of {', '.join(PACKAGES)}; else all")
    parser.add_argument("--only", default="", help="a regular expression for mutants")
    parser.add_argument("--tests", nargs="*", help="instead of the packages' own")
    parser.add_argument("--share", type=int, help="one share of one package, as CI runs it")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument(
        "--spare-s", type=float, default=SPARE_S, help="of a test beside its usual time"
    )
    parser.add_argument("--note", type=Path, help="a file for the line of the result")
    parser.add_argument("--root", type=Path, default=ROOT, help="of --sources: absolute")
    parser.add_argument("--sources", nargs="*", help="instead of the packages' own")
    return parser


if __name__ == "__main__":
    sys.exit(main())
