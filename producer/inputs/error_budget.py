"""The error budget: the number or share of rows that may fail before a job is stopped."""

from __future__ import annotations

import re

import msgspec

from shared.errors import MISFITS, BadMessage

#: A percentage is not checked before this number of rows is finished.
ROWS_BEFORE_PERCENT = 1_000
_FORM = re.compile(r"(\d+(?:\.\d+)?)(%?)")


class ErrorBudget(msgspec.Struct, frozen=True):
    """The limit of failed rows, as a number or as a percentage of the finished rows."""

    limit: float = float("inf")
    percent: bool = False

    def exceeded(self, failed: int, done: int, finished: bool) -> bool:
        """Whether a job with these rows must stop; `finished` if no more follow."""
        if not self.percent:
            return failed > self.limit
        if done == 0 or (done < ROWS_BEFORE_PERCENT and not finished):
            return False
        return 100 * failed > self.limit * done


def encode_budget(budget: ErrorBudget) -> bytes:
    """JSON for the journal; empty if there is no limit."""
    return b"" if budget.limit == float("inf") else msgspec.json.encode(budget)


def decode_budget(data: bytes | None) -> ErrorBudget:
    """The inverse of `encode_budget`; unlimited before the first attempt. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=ErrorBudget) if data else ErrorBudget()
    except MISFITS as error:
        raise BadMessage(
            f"the job's --max-failures in its journal cannot be read ({error}); "
            "run the job's classify command again"
        ) from error


def parse_budget(value: object) -> ErrorBudget:
    """`N` or `P%`.

    Raises:
        ValueError: it is neither.
    """
    text = str(value)
    match = _FORM.fullmatch(text.strip())
    if match is None or (not match[2] and "." in match[1]) or (match[2] and float(match[1]) > 100):
        raise ValueError(f"{text!r} is neither a number of rows like 10 nor a share like 5%")
    return ErrorBudget(float(match[1]), bool(match[2]))
