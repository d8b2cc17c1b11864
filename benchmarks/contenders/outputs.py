"""What a graph returns as probabilities, for contenders that load a version's files themselves.

They compute each image once: the second pass of some versions belongs to Hangtag.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def card(folder: Path) -> dict[str, Any]:
    """The card of the version in a folder."""
    found: dict[str, Any] = json.loads((folder / "card.json").read_bytes())
    return found


def probabilities(outputs: Floats, card: dict[str, Any]) -> Floats:
    """Outputs [n, classes]; those that are logits divided by the temperature, then softmax."""
    if card.get("output", "probabilities") == "probabilities":
        return outputs
    scaled = outputs.astype(np.float64) / card["temperature"]
    powers: Floats = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found
