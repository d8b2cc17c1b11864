"""A Celery application as people write one: a task for each image, which calls `model.predict`.

All settings but the two addresses have Celery's defaults.
"""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from celery import Celery

URL, MODEL = "CELERY_PREDICT_URL", "CELERY_PREDICT_MODEL"
#: Longer than a child needs to take a task, so that each child gets one of `warm_up`.
WARM_UP_S = 0.5
app = Celery("celery_predict", broker=os.environ.get(URL), backend=os.environ.get(URL))


@functools.cache
def model() -> Any:
    """Each child loads it with its first task: its import takes longer than the 4 s after which
    Celery gives up a child that loads it at its start."""
    import keras

    return keras.models.load_model(os.environ[MODEL])


@app.task
def predict(path: str) -> tuple[int, float]:
    """The number of the label, and its probability."""
    import numpy as np
    from PIL import Image

    image = np.asarray(Image.open(path).convert("L"), np.float32)
    probabilities = model().predict(image[np.newaxis, ..., np.newaxis], verbose=0)[0]
    label = int(probabilities.argmax())
    return label, float(probabilities[label])


@app.task
def warm_up(path: str) -> int:
    """Load and trace the model; the child's process id."""
    predict(path)
    time.sleep(WARM_UP_S)
    return os.getpid()
