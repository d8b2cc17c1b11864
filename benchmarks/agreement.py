"""Whether the contenders did the same work: their tables beside the bare loop's."""

from __future__ import annotations

import csv
from pathlib import Path


def differences(table: Path, reference: Path) -> str:
    """How two tables differ, in a few words."""
    if table.read_bytes() == reference.read_bytes():
        return "the same bytes"
    mine, theirs = labels(table), labels(reference)
    if missing := len(mine.keys() - theirs.keys()):
        return f"{missing:,} of its pictures are not in the bare loop's table"
    other = sum(theirs[path] != label for path, label in mine.items())
    return f"{other:,} of {len(mine):,} labels differ"


def labels(table: Path) -> dict[str, str]:
    """Folder and name of each picture, and its label."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return {"/".join(Path(row["path"]).parts[-2:]): row["label"] for row in rows}
