"""What a runtime loads of a version: files of its folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shared import runtimes
from shared.messages.model_card import Card
from worker.runtimes import load_runtime
from worker.runtimes.classifier import Classifier

#: Returns a file of a version by its name. Raises SetupError.
ReadFile = Callable[[str], bytes]


class ServedVersion(NamedTuple):
    """A version whose files are in memory."""

    card: Card
    runtime: str
    artifact: bytes
    beside: tuple[bytes, ...]  #: its backbones, and the further file of its runtime

    def load(self) -> Classifier:
        """Load it into its runtime. Raises SetupError."""
        return load_runtime.load(self.runtime, self.card, self.artifact, self.beside)


def fetch(card: Card, read: ReadFile, runtime: str = runtimes.DEFAULT.name) -> ServedVersion:
    """The files that a job with this runtime needs.

    Raises:
        SetupError: a file is missing or damaged, or the version has no file for this runtime.
    """
    row = runtimes.serving(runtime, card.only_runtime)
    artifact, *beside = map(read, card.files_for(row))
    return ServedVersion(card, row.name, artifact, tuple(beside))
