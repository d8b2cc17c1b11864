"""Counts what is done, how fast, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

from producer.present.figures import Figures
from producer.present.formatting import duration
from producer.present.progress import Quiet
from shared.throughput import Rate, left_s

#: An estimate of the time left from less than this is mostly chance.
ESTIMATE_AFTER_S = 2.0
#: A rate needs no more samples than this.
SAMPLE_EVERY_S = 0.1


class Meter:
    """Counts items. The rate counts from the first ones of this run: before, workers were
    starting."""

    def __init__(self, stage: str = "") -> None:
        self._stage = stage
        self._awaited, self._awaited_since_s = "", time.monotonic()
        self._rate, self._per_s, self._sampled_s = Rate(), 0.0, float("-inf")
        self._first_s = self._last_s = time.monotonic()
        self._done, self._total, self._found, self._failed = -1, 0, 0, 0
        self._counted = False  #: whether all items are counted
        self._started = False  #: whether any were done in this run

    def awaits(self, text: str) -> None:
        """What is displayed until items are done; an empty text removes it."""
        if text != self._awaited:
            self._awaited, self._awaited_since_s = text, time.monotonic()

    def note(self, done: int, total: int | None, found: int = 0, failed: int = 0) -> None:
        """Note the items that are done, and of all; `total` is None while only `found` of them are
        known."""
        if done != self._done and self._done >= 0:
            self._sample(done)
        self._done, self._found, self._failed = done, found, failed
        self._counted, self._total = total is not None, total or 0

    def _sample(self, done: int) -> None:
        self._last_s = time.monotonic()
        if not self._started:
            self._started, self._first_s = True, self._last_s
        if self._last_s - self._sampled_s >= SAMPLE_EVERY_S:
            self._sampled_s = self._last_s
            self._per_s = self._rate.mark(self._last_s, done)

    def figures(self) -> Figures:
        """What is done or awaited, failures if there are any, rate, time left."""
        if self._awaited and not self._started:
            waited = duration(time.monotonic() - self._awaited_since_s)
            return Figures([f"{self._awaited}, {waited}", *self._counted_so_far()])
        of_total = f"{self._total:,}" if self._counted else f"{self._found:,}+"
        count = f"{self._done:,} of {of_total}"
        failures = [f"{self._failed:,} failed"] if self._failed else []
        texts = [f"{self._stage}: {count}" if self._stage else f"{count} done", *failures]
        share = self._done / self._total if self._started and self._total else None
        return Figures([*texts, *self._pace()], share)

    def _counted_so_far(self) -> list[str]:
        if self._done < 0:  # nothing counts them
            return []
        if self._counted:
            return [f"{self._total:,} images"]
        return [f"{self._found:,} images found so far"]

    def _pace(self) -> list[str]:
        if not self._per_s:
            return []
        pace = [] if self._stage else [f"{self._per_s:,.0f} images/s"]
        now_s = time.monotonic()
        if self._counted and now_s - self._first_s >= ESTIMATE_AFTER_S:
            then_s = left_s(self._total, self._done, self._per_s) or 0.0
            pace.append(f"{duration(max(0, then_s - (now_s - self._last_s)))} left")
        return pace


class Stages:
    """Counts the items of one stage after the other, and displays them."""

    def __init__(self, progress: Quiet, check: Callable[[], None] = lambda: None) -> None:
        """`check` is called for each of them; it raises what ends the work."""
        self._progress, self._check = progress, check
        self.stage("", 0)

    def stage(self, name: str, total: int, passes: int = 1) -> None:
        """Start a stage of `total` items; each passes `passes` times. Without a name its items are
        images."""
        self._progress.close()
        self._meter, self._total, self._passes = Meter(name), total, passes
        self._passed = 0
        self._meter.note(0, total)

    def passed(self, items: int, failed: int = 0) -> None:
        """Count items that have passed; `failed` is the number of all failures."""
        self._check()
        self._passed += items
        # Bounded: what differs is read once more.
        self._note(min(self._passed // self._passes, self._total), failed)

    def reached(self, done: int, total: int) -> None:
        """Set the number of items that are done, and of all."""
        self._total = total
        self._note(done, 0)

    def _note(self, done: int, failed: int) -> None:
        self._meter.note(done, self._total, failed=failed)
        self._progress.show(self._meter.figures)

    def close(self) -> None:
        """End the display."""
        self._progress.close()
