"""Counts passed, failed and skipped tests in pytest's XML reports, and what tests have counted."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Counts(NamedTuple):
    """The tests of one step; `reasons` counts the skips by reason, `figures` are the sums of what
    tests have recorded with `record_property`."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    figures: tuple[tuple[str, int], ...] = ()

    @property
    def cases(self) -> int:
        """The number of all tests."""
        return self.passed + self.failed + self.skipped


def read(paths: Sequence[Path]) -> Counts:
    """The sums over these files."""
    failed, skipped, cases = 0, 0, 0
    reasons, figures = Counter[str](), Counter[str]()
    for path in paths:
        for case in ET.parse(path).getroot().iter("testcase"):
            cases += 1
            failed += case.find("failure") is not None or case.find("error") is not None
            if (skip := case.find("skipped")) is not None:
                skipped += 1
                reasons[skip.get("message", "no reason")] += 1
            for counted in case.iter("property"):
                if (value := counted.get("value", "")).isdigit():  # Hypothesis records texts
                    figures[counted.get("name", "")] += int(value)
    ranked = tuple(sorted(reasons.items()))
    return Counts(cases - failed - skipped, failed, skipped, ranked, tuple(figures.items()))
