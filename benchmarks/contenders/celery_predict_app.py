"""A Celery application as people write one: a task for each image, which calls the model.

`model(x)`, since `model.predict` is for many images: with one it takes several times as long.

All settings but the two addresses have Celery's defaults.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import Any

from celery import Celery

URL, FOLDER = "CELERY_PREDICT_URL", "CELERY_PREDICT_FOLDER"
#: Longer than a child needs to take a task, so that each child gets one of `warm_up`.
WARM_UP_S = 0.5
app = Celery("celery_predict", broker=os.environ.get(URL), backend=os.environ.get(URL))


@functools.cache
def model() -> tuple[Any, dict[str, Any]]:
    """The network and its card.

    Each child loads them with its first task: the import takes longer than the 4 s after which
    Celery gives up a child that loads them at its start.
    """
    import keras

    from benchmarks.contenders.outputs import card

    folder = Path(os.environ[FOLDER])
    return keras.models.load_model(folder / "model.keras"), card(folder)


@app.task
def predict(path: str) -> tuple[int, float]:
    """The number of the label, and its probability."""
    import numpy as np
    from PIL import Image

    from benchmarks.contenders.outputs import probabilities

    network, card = model()
    image = np.asarray(Image.open(path).convert("L"), np.float32)
    outputs = network(image[np.newaxis, ..., np.newaxis], training=False).numpy()
    found = probabilities(outputs, card)[0]
    label = int(found.argmax())
    return label, float(found[label])


@app.task
def warm_up(path: str) -> int:
    """Load and trace the model; the child's process id."""
    predict(path)
    time.sleep(WARM_UP_S)
    return os.getpid()
