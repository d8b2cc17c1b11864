"""The number of images that the packaged version classifies correctly, by processor.

Kernels depend on the processor's features, and with them the last bits of a probability. So a near
tie may have another label on a processor that is not recorded here.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

#: The processor features that select LiteRT's kernels for floats and small integers.
DECIDING = {"asimd", "avx", "avx2", "avx512_vnni", "avx512f", "avx512vl", "avx_vnni", "fma"}
#: The number of near ties that may have another label.
ELSEWHERE = 5


class Right(NamedTuple):
    """Images with the right label."""

    test: int  #: of the 10,000 test images
    heldout: int  #: of the 5,000 held-out training images
    gallery: int  #: of the first 1,000 test images, through files
    photos: int  #: of the photographs of tests/unit/benchmarks/test_photos.py
    sample: int  #: of the 2,000 test images of benchmarks/photos.py
    photographs: int  #: of these, photographed and converted


#: AMD EPYC (Zen 5).
USUAL = Right(test=9_531, heldout=4_771, gallery=957, photos=70, sample=1_921, photographs=1_910)
RECORDED = {
    frozenset({"avx", "avx2", "avx512_vnni", "avx512f", "avx512vl", "avx_vnni", "fma"}): USUAL
}


def features(cpuinfo: str) -> frozenset[str]:
    """The deciding features of the first processor in /proc/cpuinfo."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    flags = next((value for name, _, value in lines if name.strip() in ("flags", "Features")), "")
    return frozenset(DECIDING & set(flags.split()))


def this_processor() -> frozenset[str]:
    """The features of this processor; empty if unknown."""
    path = Path("/proc/cpuinfo")
    return features(path.read_text()) if path.exists() else frozenset()


def off(what: str, right: int) -> str:
    """An error message if the number of right images of `what` is not as expected, else empty."""
    here = this_processor()
    expected = getattr(RECORDED.get(here, USUAL), what)
    allowed = 0 if here in RECORDED else ELSEWHERE
    if abs(right - expected) <= allowed:
        return ""
    return f"{right} of {what} are right, not {expected} (give or take {allowed}) on {sorted(here)}"


def of_folders(table: Path) -> tuple[int, int]:
    """The number of rows whose label is their folder's name, and the number of all rows.

    A folder cannot be named `T-shirt/top`: its name has `_` instead of `/`.
    """
    right = rows = 0
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows += 1
            right += row["label"].replace("/", "_") == Path(row["path"]).parent.name
    return right, rows
