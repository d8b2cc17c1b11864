"""Loads a version into the runtime that was chosen, and imports no other runtime."""

from __future__ import annotations

from shared import installation
from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes.runtime import Runtime, artifact_name

PACKAGES = {"litert": "ai-edge-litert", "tensorflow": "tensorflow"}


def load(kind: str, card: Card, artifact: bytes) -> Runtime:
    """The version in `artifact` (the file `artifact_name(kind)`), warmed with one call.

    Raises:
        SetupError: the kind is unknown, its package is absent, or the file is refused.
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
            f"the {kind} runtime does not load ({error}); "
            f"install it with: {installation.command(extra, [package])}"
        ) from error
    return Kind(card, artifact)
