"""Decisions of people, written into the log of a table without a page."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

from shared.labels import correction_log
from shared.labels.correction import Correction


def correct(
    table: Path,
    content: bytes,
    label: str,
    *rows: int,
    undo: bool = False,
    at: str = "now",
    excluded: tuple[str, ...] = (),
) -> None:
    """Decide about a picture; without `rows` as older versions of Hangtag did."""
    correction = Correction(
        hashlib.sha256(content).hexdigest(),
        "elsewhere.png",
        1,
        "Bag",
        label,
        "ada",
        len(content),
        f"{zlib.crc32(content):08x}",
        at,
        undo,
        list(rows) or None,
        excluded,
    )
    correction_log.append(correction_log.log_path(table), [correction])
