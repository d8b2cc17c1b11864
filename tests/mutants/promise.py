"""The promises that a history checks, as distinct from the test's own asserts."""

from __future__ import annotations

import traceback
from pathlib import Path

from redis.exceptions import ResponseError

ROOT = Path(__file__).parents[2]
PRODUCT = (ROOT / "shared", ROOT / "producer")


class Broken(AssertionError):
    """The ledger breaks a promise."""


def agree(found: object, expected: object) -> None:
    """Raises Broken unless `found` is what the oracle expects."""
    if found != expected:
        raise Broken(f"{found!r} instead of {expected!r}")


def promise(holds: object) -> None:
    """Raises Broken unless it holds."""
    if not holds:
        raise Broken


def is_broken(error: BaseException) -> bool:
    """Whether this is an error of the product: a broken promise, a failing script, or a result of a
    script that the product cannot decode; not one of the test's own asserts."""
    if isinstance(error, Broken | ResponseError):
        return True
    if isinstance(error, BaseExceptionGroup):  # of Hypothesis, if a repetition does not show it
        return any(map(is_broken, error.exceptions))
    frames = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    ours = [path for path in frames if path.is_relative_to(ROOT) and ".venv" not in path.parts]
    in_product = any(ours[-1].is_relative_to(folder) for folder in PRODUCT) if ours else False
    return in_product and not isinstance(error, AssertionError)
