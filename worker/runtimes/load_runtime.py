"""Loads a version into the chosen runtime, and imports no other runtime."""

from __future__ import annotations

from shared import installation
from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes.classifier import Classifier
from worker.runtimes.runtime import artifact_name

PACKAGES = {"litert": "ai-edge-litert", "tensorflow": "tensorflow"}


def load(kind: str, card: Card, artifact: bytes) -> Classifier:
    """Load the version in `artifact` (the file `artifact_name(kind)`) and run it once.

    Raises:
        SetupError: the kind is unknown, its package is missing, or the file is refused.
    """
    artifact_name(kind)
    try:
        if kind == "litert":
            from worker.runtimes.litert_runtime import LiteRT as Kind
        else:
            from worker.runtimes.tensorflow_runtime import TensorFlow as Kind  # type: ignore[assignment]
    except ImportError as error:
        extra = "worker" if kind == "litert" else "train"
        package = PACKAGES[kind]
        raise SetupError(
            f"the {kind} runtime cannot be loaded ({error}); "
            f"install it with: {installation.command(extra, [package])}"
        ) from error
    return Classifier(card, Kind(card, artifact))
