"""The same job writes the same bytes for any number of workers and any batch size."""

from __future__ import annotations

import pytest

from tests.support.jobs.scenario import Scenario

pytestmark = pytest.mark.shipped_model


@pytest.mark.parametrize(("workers", "batch_images"), [(1, 1024), (2, 5)])
def test_any_number_of_workers_and_any_batch_size_write_the_same_bytes(
    stage: Scenario, workers: int, batch_images: int
) -> None:
    fleet = [stage.fleet.worker() for _ in range(workers)]
    stage.check_finished(stage.classify(HANGTAG_BATCH_IMAGES=str(batch_images)))
    stage.check_nothing_runs(*fleet)
