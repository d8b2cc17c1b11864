"""The arguments that only display answers, as a job has them."""

from __future__ import annotations

from collections.abc import Sequence

from producer.rendering.display_options import (
    ALL,
    DisplayOptions,
    chosen_columns,
    parse_accept,
    parse_columns,
    threshold_of,
)
from shared.errors import UsageError


def display_of(
    accept: float | str | None,
    min_confidence: float | None,
    columns: str | Sequence[str] | None,
    top_k: int | None,
    probabilities: bool | None,
) -> DisplayOptions:
    """Raises UsageError for a value that is out of range, or two that contradict each other."""
    if top_k is not None and not 1 <= top_k <= 1000:
        raise UsageError(f"top_k={top_k} is not within 1 to 1000")
    threshold = threshold_of(_precision(accept), _confidence(min_confidence))
    return DisplayOptions(threshold, top_k, probabilities, _columns(columns))


def _precision(accept: float | str | None) -> float | str | None:
    if accept is None:
        return None
    try:
        share = parse_accept(accept) if isinstance(accept, str) else float(accept)
    except (TypeError, ValueError):
        share = -1.0
    if share != ALL and not 0 < float(share) < 1:
        raise UsageError(f"accept={accept!r} is neither a precision like 0.95, nor 'all'")
    return share


def _confidence(least: float | None) -> float | None:
    if least is None or 0 <= least <= 1:
        return least
    raise UsageError(f"min_confidence={least!r} is no confidence from 0 to 1")


def _columns(columns: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if columns is None:
        return None
    try:
        return parse_columns(columns) if isinstance(columns, str) else chosen_columns(columns)
    except ValueError as error:
        raise UsageError(f"columns: {error}") from None
