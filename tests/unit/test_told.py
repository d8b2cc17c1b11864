"""An error of the set-up is one line; the same again is none, and a fault of ours is not hidden."""

from __future__ import annotations

import pytest

from shared.errors import BadMessage, SetupError
from worker import told


def test_the_same_error_is_told_once_and_another_as_well(caplog: pytest.LogCaptureFixture) -> None:
    for error in (SetupError("a"), SetupError("a"), BadMessage("b\nc"), SetupError("a")):
        with told.told_once("batch 1 of job told0000"):
            raise error
    assert [record.getMessage() for record in caplog.records] == [
        "batch 1 of job told0000: a",
        "batch 1 of job told0000: b?c",
    ]


def test_what_nobody_raises_on_purpose_passes() -> None:
    with pytest.raises(ZeroDivisionError), told.told_once("x"):
        raise ZeroDivisionError
