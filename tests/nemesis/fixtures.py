"""What rounds share: pictures, a real version that is quick, its store, data to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from shared.registry.registry import Registry
from tests.support.images import gallery
from tests.support.jobs import expected_table, model_versions
from tests.support.processes.trainers import draw_classes

PICTURES = 1_000
#: 20 us per image; a call of the graph takes 64, so a tiny batch costs little more than its hint.
RECIPE = "tutorial"


class School:
    """Made once for all rounds, in a folder that is thrown away."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.registry = Registry(self.store)
        version = model_versions.publish(self.registry, RECIPE, seed=1)
        self.model = version.card.ref
        self.data = draw_classes(folder / "shapes")
        found = gallery.make(folder, PICTURES)
        self.cwd, self.paths = found.cwd, found.paths
        table = expected_table.table(self.cwd, self.paths, version=version)
        self._header, *rows = table.splitlines(keepends=True)
        self._row = dict(zip(self.paths, rows, strict=True))

    def table(self, paths: Sequence[str]) -> bytes:
        """What a plain loop over these makes of them, in this order."""
        return b"".join([self._header, *(self._row[path] for path in paths)])


def short(table: bytes) -> str:
    """A table's bytes in a few letters."""
    return hashlib.sha256(table).hexdigest()[:12]
