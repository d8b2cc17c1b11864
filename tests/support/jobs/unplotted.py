"""Trainings without the plots of their versions, for tests of something else: those of one training
take a second of a core. tests/end_to_end/test_photo_training.py has them drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from worker.plots import evaluation_plots


@contextmanager
def trainings() -> Iterator[None]:
    """Versions that are trained within this block have no plots."""
    with mock.patch.object(evaluation_plots, "plots", side_effect=lambda *figures: {}):
        yield
