"""Breaks and repairs images of a scenario."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.support.jobs.scenario import Scenario

RUBBISH = b"no picture"


def path_of(stage: Scenario, index: int) -> Path:
    """The file of a row."""
    return stage.gallery.cwd / stage.gallery.paths[index]


def spoil(stage: Scenario, broken: Iterable[int]) -> set[int]:
    """Replace some images by rubbish; return their indices."""
    for index in broken:
        path = path_of(stage, index)
        path.rename(path.with_suffix(".whole"))
        path.write_bytes(RUBBISH)
    return set(broken)


def mend(stage: Scenario, broken: Iterable[int]) -> None:
    """Restore the images."""
    for index in broken:
        path = path_of(stage, index)
        path.with_suffix(".whole").rename(path)
