"""Runs cases in child processes, which a case may kill.

On its own: `python -m tests.fuzz.campaign MINUTES [SEED]`.

The bytes of each finding are saved, and the call that produces them again is printed.
"""

from __future__ import annotations

import json
import math
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.cases import case
from tests.fuzz.child import PROGRESS

#: The lifetime of a child; long enough to detect slow growth of its memory.
_CHILD_S = 60.0
_MAX_FINDINGS = 20
_ALL = 1 << 62


class Finding(NamedTuple):
    """A case that broke the promise."""

    seed: str
    number: int
    what: str
    file: Path

    def __str__(self) -> str:
        return f"case({self.seed!r}, {self.number}): {self.what}; its bytes: {self.file}"


class Outcome(NamedTuple):
    """The number of cases of a campaign, their bytes, and its findings."""

    cases: int
    size_bytes: int
    findings: list[Finding]

    def __str__(self) -> str:
        return f"{self.cases:,} cases, {self.size_bytes:,} bytes, {len(self.findings)} findings"


def campaign(seed: str, folder: Path, seconds: float = math.inf, cases: int = _ALL) -> Outcome:
    """Decode for `seconds`, or the first `cases`; save the bytes of findings in `folder`."""
    deadline, number, size, findings = time.monotonic() + seconds, 0, 0, list[Finding]()
    while number < cases and (left := deadline - time.monotonic()) > 0:
        found, number, decoded = _child(seed, number, cases, min(left, _CHILD_S), folder)
        size += decoded
        for at, what in found:
            file = folder / f"{seed}-{at}"
            file.write_bytes(case(seed, at))
            findings.append(Finding(seed, at, what, file))
        if len(findings) >= _MAX_FINDINGS:
            break
    return Outcome(number, size, findings)


def _child(
    seed: str, first: int, end: int, seconds: float, folder: Path
) -> tuple[list[tuple[int, str]], int, int]:
    """Run one process; return its findings, the number of the next case, and the bytes decoded."""
    progress = folder / "progress"
    progress.write_bytes(PROGRESS.pack(first, 0))
    command = [sys.executable, "-m", "tests.fuzz.child", seed, *map(str, (first, end, seconds))]
    done = subprocess.run([*command, str(progress)], capture_output=True, check=False)
    last, decoded = PROGRESS.unpack(progress.read_bytes())
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    found = [(report["number"], f"{report['what']} {report['text']}") for report in reports]
    if done.stderr:
        found.append((last, f"standard error of a case up to this one: {done.stderr[-500:]!r}"))
    if done.returncode < 0:
        found.append((last, f"ended by {signal.Signals(-done.returncode).name}"))
    elif done.returncode > 0:
        found.append((last, f"ended with code {done.returncode}"))
    return [one for one in found if not one[1].startswith("end ")], last + 1, decoded


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else secrets.token_hex(4)
    outcome = campaign(chosen, Path(tempfile.mkdtemp(prefix="ht-fuzz-")), 60 * float(sys.argv[1]))
    print(f"seed {chosen}: {outcome}")
    for finding in outcome.findings:
        print(finding)
    sys.exit(bool(outcome.findings))
