"""Trainings that draw one plot of their six: the others take 1 s.

For tests of what is trained; tests/unit/training/test_plots.py has every plot.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PLOTS = "worker.plots.evaluation_plots.plots"  #: imported with the first training


@contextmanager
def drawn() -> Iterator[None]:
    """Within the block, the versions trained in this process have only their operating points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PLOTS, lambda *evaluated: {})
        yield
