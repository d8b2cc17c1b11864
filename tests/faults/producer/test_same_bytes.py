"""The same job gives the same bytes, however many workers there are and however it is cut."""

from __future__ import annotations

import pytest

from tests.support.jobs.scenario import Scenario

pytestmark = pytest.mark.shipped_model


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_writes_the_same_bytes(stage: Scenario, workers: int) -> None:
    fleet = [stage.fleet.worker(concurrency=2) for _ in range(workers)]
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(*fleet)


@pytest.mark.parametrize("images", [5, 1024])
def test_any_size_of_a_message_writes_the_same_bytes(stage: Scenario, images: int) -> None:
    stage.fleet.worker()
    stage.check_finished(stage.classify(HANGTAG_BATCH_IMAGES=str(images)))
