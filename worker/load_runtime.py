"""Loads a version into the runtime that was chosen, and imports no other runtime."""

from __future__ import annotations

from shared import installation
from shared.card import Card
from shared.errors import SetupError
from worker.runtime import Runtime, artifact_name

PACKAGES = {"litert": "ai-edge-litert", "tensorflow": "tensorflow"}


def load(kind: str, card: Card, artifact: bytes) -> Runtime:
    """The version in `artifact` (the file `artifact_name(kind)`), warmed with one call.

    Raises:
        SetupError: the kind is unknown, its package is absent, or the file is refused.
    """
    artifact_name(kind)
    try:
        if kind == "litert":
            from worker.runtime_litert import LiteRT as Kind
        else:
            from worker.runtime_tensorflow import TensorFlow as Kind  # type: ignore[assignment]
    except ImportError as error:
        extra = "worker" if kind == "litert" else "train"
        package = PACKAGES[kind]
        raise SetupError(
            f"the {kind} runtime does not load ({error}); "
            f"install it with: {installation.command(extra, [package])}"
        ) from error
    return Kind(card, artifact)
