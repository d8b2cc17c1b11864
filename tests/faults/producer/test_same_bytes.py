"""The same job writes the same bytes for any number of workers and any batch size."""

from __future__ import annotations

import pytest

from tests.support.jobs.scenario import Scenario

pytestmark = pytest.mark.shipped_model


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_writes_the_same_bytes(stage: Scenario, workers: int) -> None:
    fleet = [stage.fleet.worker(concurrency=2) for _ in range(workers)]
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(*fleet)


@pytest.mark.parametrize("batch_images", [5, 1024])
def test_any_batch_size_writes_the_same_bytes(stage: Scenario, batch_images: int) -> None:
    stage.fleet.worker()
    stage.check_finished(stage.classify(HANGTAG_BATCH_IMAGES=str(batch_images)))
