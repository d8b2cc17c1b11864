"""A setup error is one line, logged once; errors of the program itself are not hidden."""

from __future__ import annotations

import socket

import pytest

from shared.errors import BadMessage, SetupError
from worker.lifecycle import log_once
from worker.requests.outcomes import failed


def test_the_same_error_is_logged_once_and_another_one_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error in (SetupError("a"), SetupError("a"), BadMessage("b\nc"), SetupError("a")):
        with log_once.log_once("batch 1 of job told0000"):
            raise error
    assert [record.getMessage() for record in caplog.records] == [
        "batch 1 of job told0000: a",
        "batch 1 of job told0000: b?c",
    ]


def test_an_unexpected_error_is_raised_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), log_once.log_once("x"):
        raise ZeroDivisionError


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    outcome = failed(ModuleNotFoundError("No module named 'keras.src'", name="keras.src"))
    assert "keras is missing" in outcome.error
    assert "pip install" in outcome.error
    other = failed(ModuleNotFoundError("No module named 'x'", name="x"))
    assert "No module named 'x'" in other.error


def test_the_log_of_a_failure_is_named_as_a_file_if_it_is_one() -> None:
    assert "see /run/x/stack.log" in failed(ValueError("odd"), "/run/x/stack.log").error
    assert socket.gethostname() in failed(ValueError("odd")).error
