"""A job keeps three labels of each image, or all of a model with fewer."""

from __future__ import annotations

import pytest

from producer.inputs.job_options import JobOptions
from producer.jobs.pin import kept_labels


@pytest.mark.parametrize(
    ("top_k", "probabilities", "labels", "kept"),
    [
        (1, False, 10, 3),
        (2, False, 10, 3),
        (5, False, 10, 5),
        (20, False, 10, 10),
        (1, False, 2, 2),
        (3, False, 1, 1),
        (1, True, 10, 10),
    ],
)
def test_a_job_keeps_three_labels_or_those_that_are_asked_for(
    top_k: int, probabilities: bool, labels: int, kept: int
) -> None:
    options = JobOptions((b"in",), b"/", "/out.csv", top_k=top_k, probabilities=probabilities)
    assert kept_labels(options, labels) == kept
