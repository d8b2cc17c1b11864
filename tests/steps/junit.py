"""How many tests ran, failed and were skipped, from the files that pytest writes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Counts(NamedTuple):
    """Tests of one step; the reasons of skips with how often each."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def cases(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.skipped


def read(paths: Sequence[Path]) -> Counts:
    """The sums over these files. A file that is not there yet counts nothing."""
    failed, skipped, cases = 0, 0, 0
    reasons = Counter[str]()
    for path in paths:
        for case in ET.parse(path).getroot().iter("testcase"):
            cases += 1
            failed += case.find("failure") is not None or case.find("error") is not None
            if (skip := case.find("skipped")) is not None:
                skipped += 1
                reasons[skip.get("message", "no reason")] += 1
    ranked = tuple(sorted(reasons.items()))
    return Counts(cases - failed - skipped, failed, skipped, ranked)
