"""Loads a version into the chosen runtime, and imports no other runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from shared import runtimes
from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes.runtime import Classifier, Graph


def load(kind: str, card: Card, artifact: bytes, beside: Sequence[bytes] = ()) -> Classifier:
    """Load the version in `artifact`, the runtime's file of it, and run it once. `beside` are the
    backbones of the card's looks, in order, or the further file of the runtime.

    Raises:
        SetupError: the kind is unknown, its package is missing, or the file is refused.
    """
    row = runtimes.find(kind)
    if not row.is_available:
        raise SetupError(f"the {kind} runtime cannot be loaded: {row.missing}")
    try:
        module = import_module(f"worker.runtimes.{kind}_runtime")
    except ImportError as error:
        raise SetupError(
            f"the {kind} runtime cannot be loaded ({error}); install it again with: {row.command}"
        ) from error
    graph: Graph = module.graph(card, artifact, beside)
    return Classifier(card, graph)


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
        return load(self.runtime, self.card, self.artifact, self.beside)


def fetch(card: Card, read: ReadFile, runtime: str = runtimes.DEFAULT.name) -> ServedVersion:
    """The files that a job with this runtime needs.

    Raises:
        SetupError: a file is missing or damaged, or the version has no file for this runtime.
    """
    row = runtimes.serving(runtime, card.only_runtime)
    artifact, *beside = map(read, card.files_for(row))
    return ServedVersion(card, row.name, artifact, tuple(beside))
