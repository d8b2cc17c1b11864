"""How many pictures of 28x28 a child decodes and classifies in a second, without a queue."""

from __future__ import annotations

import time

from benchmarks import pictures
from benchmarks.networks import Network

_IMAGES, _REPEATS = 2048, 5


def child_rate(network: Network) -> float:
    """Images per second of processor time, the best of a few."""
    from worker.answers import pixels, top_k
    from worker.load_runtime import load
    from worker.runtime import artifact_name

    card = network.card
    model = load("litert", card, (network.folder / artifact_name("litert")).read_bytes())
    paths = sorted(pictures.make(_IMAGES).rglob("*.png"))
    files = [path.read_bytes() for path in paths]
    best = 0.0
    for _ in range(_REPEATS):
        began = time.process_time()
        batch, codes, flags = pixels(card, files)
        top_k(model.predict(batch), codes, flags, 1)
        best = max(best, len(files) / (time.process_time() - began))
    return best
