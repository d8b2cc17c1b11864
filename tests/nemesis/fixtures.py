"""What rounds share: images, a real and fast model version, its store, training data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.registry.registry import Registry
from tests.support.images import gallery
from tests.support.jobs import expected_table, model_versions
from tests.support.processes.trainers import draw_classes

IMAGES = 1_000
#: 20 us per image and 64 us per call of the graph: a tiny batch costs little more than its hint.
RECIPE = "tutorial"


class School:
    """Created once for all rounds, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.registry = Registry(self.store)
        version = model_versions.publish(self.registry, RECIPE, seed=1)
        self.model = version.card.ref
        self.data = draw_classes(folder / "shapes")
        found = gallery.make(folder, IMAGES)
        self.cwd, self.paths = found.cwd, found.paths
        table = expected_table.table(self.cwd, self.paths, version=version)
        self._header, *rows = table.splitlines(keepends=True)
        self._row = dict(zip(self.paths, rows, strict=True))

    def table(self, paths: Sequence[str]) -> bytes:
        """The table of a plain loop over these paths, in this order."""
        return b"".join([self._header, *(self._row[path] for path in paths)])
