"""The labels of a network as text: one per line, in the order of its outputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

MAX_LABELS, MAX_LABEL_CHARS = 10_000, 200
_NUMBERED = re.compile(r"(\d{1,5})[ \t]+(\S.*)")


def listed(text: str) -> tuple[str, ...]:
    """The labels."""
    return tuple(line.strip() for line in text.strip().splitlines())


def parsed(text: str) -> tuple[str, ...]:
    """The labels. Teachable Machine writes their numbers before them: these are left out if all
    lines have them in order."""
    labels = listed(text)
    numbered = [_NUMBERED.fullmatch(label) for label in labels]
    if all(found and int(found[1]) == number for number, found in enumerate(numbered)):
        return tuple(found[2] for found in numbered if found)
    return labels


def fault(labels: Sequence[str]) -> str:
    """What is wrong with these labels; empty if nothing is."""
    if not 2 <= len(labels) <= MAX_LABELS:
        return f"there are {len(labels):,} labels, and not 2 to {MAX_LABELS:,}"
    for number, label in enumerate(labels, 1):
        if not label or len(label) > MAX_LABEL_CHARS or not label.isprintable():
            return f"label {number} is {label!r:.40}, which cannot be one"
    label, count = Counter(labels).most_common(1)[0]
    return f"the label {label!r} is there twice" if count > 1 else ""
