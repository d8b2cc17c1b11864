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


@worker_process_init.connect
def _replace_model(**_: Any) -> None:
    import numpy as np

    from worker.classify import process_state
    from worker.classify.process_state import LoadedModel
    from worker.runtimes.runtime import Classifier, Graph, Images, Outputs

    seconds = float(os.environ[SLEEP])

    class Sleeper(Graph):
        """Each call takes `seconds`, and returns equal logits."""

        def __init__(self, labels: int) -> None:
            self._labels = labels

        def run(self, images: Images) -> Outputs:
            time.sleep(seconds)
            return Outputs(np.zeros((len(images), self._labels), np.float32), None)

    def load(version: ServedVersion, detector: bytes | None) -> LoadedModel:
        graph = Sleeper(len(version.card.labels))
        return LoadedModel(version.card, Classifier(version.card, graph))

    process_state._loaded_model = load


__all__ = ["app"]
