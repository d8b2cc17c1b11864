"""A batch that needs more memory than is allowed is one line with the setting to change."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from shared.errors import SetupError
from shared.messages.job_record import JobRecord
from shared.registry import packaged
from worker.inference.classify_batch import _classify_images
from worker.inference.model_cache import LoadedModel
from worker.runtimes.classifier import Classifier
from worker.runtimes.runtime import Images, Outputs


class Failing:
    """A graph that raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def run(self, images: Images) -> Outputs:
        raise self._error


def classified(graph: Any) -> bytes:
    card = packaged.card()
    record = JobRecord(
        "abcdefgh", card.name, card.version, packaged.card_sha256(), "tensorflow", 1, "out.csv",
        "here", 0.0,
    )  # fmt: skip
    model = LoadedModel(card, Classifier(card, graph))
    return _classify_images(record, model, [b"not an image"] * 3).statuses


def test_a_lack_of_memory_in_tensorflow_names_the_setting() -> None:
    text = "OOM when allocating tensor on /job:localhost/replica:0/task:0/device:CPU:0 by allocator"
    with pytest.raises(SetupError, match=r"batch of 3 images .*HANGTAG_CHILD_MEMORY_MB.*raise it"):
        classified(Failing(tf.errors.ResourceExhaustedError(None, None, text)))


def test_a_full_gpu_is_not_blamed_on_the_setting() -> None:
    text = "OOM when allocating tensor on /job:localhost/replica:0/task:0/device:GPU:0 by allocator"
    with pytest.raises(SetupError, match=r"more memory than its GPU has free; .*--concurrency"):
        classified(Failing(tf.errors.ResourceExhaustedError(None, None, text)))


@pytest.mark.parametrize("error", [ValueError("no"), tf.errors.InternalError(None, None, "no")])
def test_another_error_remains_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)):
        classified(Failing(error))
