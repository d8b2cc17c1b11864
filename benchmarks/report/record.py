"""`benchmarks/results.json`: the last run of `make bench`, from which pages are written."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.environment.machine import IDLE_LOAD
from benchmarks.environment.paths import ROOT
from benchmarks.report.figures import Figure
from benchmarks.report.goals import Goal
from shared.errors import MISFITS

RECORD = ROOT / "benchmarks" / "results.json"
#: Hexadecimal digits of a hash in a page.
HASH_DIGITS = 12


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A measured model version. Accuracy and calibration error are those of the bare loop's table
    of the 10,000 test images; None if they were not measured."""

    network: str
    sha256: str  #: of its card
    accuracy: float | None = None
    ece: float | None = None

    @property
    def card(self) -> str:
        """The start of the card's hash."""
        return self.sha256[:HASH_DIGITS]


class ShortRatio(msgspec.Struct, frozen=True):
    """Warm Hangtag beside the bare loop in the short configuration: the median ratio of work."""

    network: str
    images: int
    repeats: int
    ratio: float


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the benchmark."""

    date: str
    commit: str  #: a `+` at its end: with uncommitted changes
    command: str
    processor: str  #: the model's name; ratios are compared only on the same
    machine: str
    packages: str
    workers: int
    images: int  #: that every contender but plain Celery classified
    few: int  #: that plain Celery classified
    large: int  #: 0: not measured
    repeats: int
    load: float  #: of the machine before the first run
    complete: bool  #: every contender, network and image of `make bench`
    versions: list[Version]
    figures: list[Figure]
    ratios: dict[str, float]  #: as `figures.ratios` names them
    short: list[ShortRatio]
    goals: list[Goal]
    notes: list[str]

    @property
    def warning(self) -> str:
        """The reason not to quote the figures; empty if there is none."""
        reasons = [] if self.complete else [f"a trial run with {self.images:,} images"]
        if self.load >= IDLE_LOAD:
            reasons.append(f"the machine was not idle (load {self.load:.1f} before the first run)")
        return f"Do not quote these figures: {'; '.join(reasons)}." if reasons else ""

    def version(self, network: str) -> Version | None:
        """The measured version of a network."""
        return next((version for version in self.versions if version.network == network), None)


def read(path: Path = RECORD) -> Record:
    """The recorded run.

    Raises:
        SystemExit: there is none that this code can read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, *MISFITS) as error:
        raise SystemExit(f"{path}: {error}; run `make bench`") from error


def write(record: Record, path: Path = RECORD) -> None:
    """Replace the recorded run."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
