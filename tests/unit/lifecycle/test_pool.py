"""Whether a worker's parent is busy, as the watchdog sees it."""

from __future__ import annotations

import pytest
from celery.worker import state

from worker.lifecycle import pool


@pytest.mark.parametrize("flag", ["should_stop", "should_terminate"])
@pytest.mark.parametrize(("value", "busy"), [(None, False), (False, False), (0, True), (1, True)])
def test_a_worker_that_shuts_down_is_busy_with_any_exit_code(
    monkeypatch: pytest.MonkeyPatch, flag: str, value: int | None, busy: bool
) -> None:
    monkeypatch.setattr(state, flag, value)
    assert pool.is_busy() is busy
