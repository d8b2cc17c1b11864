"""`celery -A benchmarks.environment.sleeping_app worker`: workers with a sleeping model.

It takes a fixed time for each batch and no processor time, so that the cores do not limit the
queue.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery.signals import worker_process_init

from worker.app import app
from worker.runtimes.load_runtime import ServedVersion

SLEEP = "HANGTAG_BENCH_SLEEP_S"


class Sleeper:
    """Predicts equal probabilities; each call takes `seconds`."""

    def __init__(self, labels: int, seconds: float) -> None:
        self._labels, self._seconds = labels, seconds

    def predict(self, images: Any) -> Any:
        """Probabilities float32 [n, labels] of n images."""
        return self.probabilities(self.outputs(images))

    def outputs(self, images: Any) -> Any:
        """Equal logits."""
        import numpy as np

        from worker.runtimes.runtime import Outputs

        time.sleep(self._seconds)
        return Outputs(np.zeros((len(images), self._labels), np.float32), None)

    def probabilities(self, outputs: Any) -> Any:
        """Probabilities float32 [n, labels] of equal logits."""
        return outputs.logits + 1 / self._labels


@worker_process_init.connect
def _replace_model(**_: Any) -> None:
    from worker.inference import process_state
    from worker.inference.process_state import LoadedModel

    seconds = float(os.environ[SLEEP])

    def load(version: ServedVersion, detector: bytes | None) -> LoadedModel:
        return LoadedModel(version.card, Sleeper(len(version.card.labels), seconds))

    process_state._loaded_model = load


__all__ = ["app"]
