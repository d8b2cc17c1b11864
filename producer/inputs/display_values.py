"""What --accept and --columns take."""

from __future__ import annotations

import re
from collections.abc import Sequence

from producer.rows.columns import COLUMNS, SINGLE

#: Resets an option to its default.
ALL = "all"
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d+)?)%?", re.ASCII)


def parse_accept(value: float | str) -> float | str:
    """A precision as a share, from a share or a text in percent; `all` as it is.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, str):
        if 0 < value < 1:
            return float(value)
        raise ValueError(f"{value!r} is neither a precision like 0.95, nor {ALL!r}")
    if value == ALL:
        return value
    match = _PERCENT.fullmatch(value)
    if match is None or not float(match[1]):
        raise ValueError(f"{value!r} is neither a percentage, for example 95%, nor all")
    percent = float(match[1])
    if percent < 1:
        meant = f"{100 * percent:g}" if percent >= 0.01 and "%" not in value else "95"
        raise ValueError(f"{value} is less than 1%; for example write {meant}%")
    return percent / 100


def parse_columns(value: str | Sequence[str]) -> tuple[str, ...]:
    """The columns after the path, from their names or a text with commas; empty for `all`.

    Raises:
        ValueError: there is no such column, it is named twice, or there is only the path.
    """
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)
    if names == [ALL]:
        return ()
    chosen = names[1:] if names[:1] == [COLUMNS[0]] else names
    if not chosen:
        raise ValueError(f"name a column after {COLUMNS[0]}, or {ALL}")
    for name in chosen:
        if name == COLUMNS[0]:
            raise ValueError(f"{name} is always the first column")
        if name not in SINGLE:
            raise ValueError(f"there is no column {name!r}; choose from {','.join(SINGLE)}, or all")
        if chosen.count(name) > 1:
            raise ValueError(f"{name} is given twice")
    return tuple(chosen)
