"""What a running job shows: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from producer.totals import Totals
from producer.wording import one_line

PLAIN_EVERY_S = 5.0


class Report(Protocol):
    """Where progress and notices go."""

    def progress(self, totals: Totals, walking: bool) -> None:
        """The figures as they stand; called often."""

    def notice(self, text: str) -> None:
        """One line; the same text twice in a row is shown once."""

    def close(self) -> None:
        """The last figures stay visible."""


class Quiet:
    """Shows notices only."""

    _last = ""

    def progress(self, totals: Totals, walking: bool) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        if text and text != self._last:
            print(one_line(text), file=sys.stderr, flush=True)
        self._last = text

    def close(self) -> None:
        """Nothing."""


class Lines(Quiet):
    """A line every few seconds, for logs."""

    def __init__(self) -> None:
        self._begun = self._shown = time.monotonic()
        self._first: int | None = None

    def progress(self, totals: Totals, walking: bool) -> None:
        if self._first is None:
            self._first = totals.done
        now = time.monotonic()
        if now - self._shown < PLAIN_EVERY_S:
            return
        self._shown = now
        rate = (totals.done - self._first) / (now - self._begun)
        left = "" if walking or not rate else f", {(totals.frozen - totals.done) / rate:.0f} s left"
        found = f"{totals.frozen}+" if walking else f"{totals.frozen}"
        print(
            f"{totals.done} of {found} done, {totals.failed} failed, {rate:.0f} images/s{left}",
            file=sys.stderr,
            flush=True,
        )


def make_report(quiet: bool) -> Report:
    """The report that fits where standard error goes."""
    if quiet:
        return Quiet()
    if not sys.stderr.isatty():
        return Lines()
    from producer.bar import Bar  # rich takes longer to import than a small job to run

    return Bar()
