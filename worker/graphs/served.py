"""A version as it is served, of each learner. Importing this imports no TensorFlow."""

from __future__ import annotations

from typing import NamedTuple

from shared.messages.model_card import Card
from worker.runtimes.runtime import Logits


class Served(NamedTuple):
    """A version as it is served."""

    card: Card
    files: dict[str, bytes]
    logits: Logits  #: of the held-out images, after the second pass; no rows where there are none
