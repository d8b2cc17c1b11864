"""Loads a version into the chosen runtime, and imports no other runtime."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from shared import runtimes
from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes.classifier import Classifier
from worker.runtimes.runtime import Graph


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
