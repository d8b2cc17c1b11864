"""A setup error is one line, logged once; errors of the program itself are not hidden."""

from __future__ import annotations

import pytest

from shared.errors import BadMessage, SetupError
from worker.lifecycle import worker_log


def test_the_same_error_is_logged_once_and_another_one_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error in (SetupError("a"), SetupError("a"), BadMessage("b\nc"), SetupError("a")):
        with worker_log.log_once("batch 1 of job told0000"):
            raise error
    assert [record.getMessage() for record in caplog.records] == [
        "batch 1 of job told0000: a",
        "batch 1 of job told0000: b?c",
    ]


def test_an_unexpected_error_is_raised_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), worker_log.log_once("x"):
        raise ZeroDivisionError
