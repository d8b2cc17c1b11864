"""Options that are declared once, as the annotated fields of a struct.

The command line makes its options and their help from the declarations, Python checks its arguments
by them, and the struct is what is recorded or sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Literal, get_type_hints

import msgspec

from shared.errors import UsageError


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """How a field is typed, and which values it takes."""

    help: str
    flag: str = ""  #: as it is typed; empty: as the field is named
    metavar: str = ""  #: of its value, in the help
    #: For text, what a shell completes.
    kind: Literal["", "model", "model-name", "recipe", "path"] = ""
    #: From what is typed, or given in Python, to the value of the field. Raises ValueError.
    parse: Callable[[Any], Any] | None = None
    choices: Collection[str] = ()  #: the only values; none: any
    least: float = float("-inf")  #: of a number that differs from the default
    most: float = float("inf")
    applies: Callable[[Any], bool] = lambda recipe: True  #: to a recipe of a training
    is_seldom: bool = False  #: the help lists it below the others
    is_repeated: bool = False  #: a tuple of what is typed


@cache
def options_of(kind: type[msgspec.Struct]) -> dict[str, Option]:
    """The options by field, in the order of the help."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field: option
        for field, hint in hints.items()
        for option in getattr(hint, "__metadata__", ())
        if isinstance(option, Option)
    }


@cache
def defaults_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The defaults of the fields that have one."""
    defaults = kind.__struct_defaults__
    return dict(zip(kind.__struct_fields__[-len(defaults) :], defaults, strict=True))


def flag(kind: type[msgspec.Struct], field: str) -> str:
    """How the option of a field is typed."""
    return options_of(kind)[field].flag or f"--{field.replace('_', '-')}"


def checked(kind: type[msgspec.Struct], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function that are options, as their fields have them; without those that
    are None.

    Raises:
        UsageError: a value is out of range; the sentence names the argument.
    """
    options, defaults = options_of(kind), defaults_of(kind)
    return {
        field: value if value == defaults.get(field) else _checked(field, value, options[field])
        for field, value in given.items()
        if field in options and value is not None
    }


def _checked(field: str, value: Any, option: Option) -> Any:
    if option.choices and value not in option.choices:
        raise UsageError(f"{field}={value!r:.80} is none of {', '.join(option.choices)}")
    if isinstance(value, int) and not option.least <= value <= option.most:
        raise UsageError(f"{field}={value} is not within {option.least:.0f} to {option.most:.0f}")
    parse = option.parse or (lambda value: value)
    try:
        if option.is_repeated:
            return tuple(map(parse, (value,) if isinstance(value, str) and value else value))
        return parse(value)
    except ValueError as error:
        raise UsageError(f"{field}: {error}") from None


def parse_share(value: object) -> float:
    """A share from 0 to 1, or `P%`. Raises ValueError."""
    text, scale = str(value), 1.0
    if text.endswith("%"):
        text, scale = text[:-1], 100.0
    try:
        share = float(text) / scale
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{value!r} is neither a share from 0 to 1 nor a percentage")
    return share


def parse_seconds(value: Any) -> float:
    """A number of seconds, more than 0. Raises ValueError."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not seconds > 0:
        raise ValueError(f"{value!r} is no number of seconds above 0")
    return seconds


def parse_text(value: object) -> str:
    """Text that can be stored: an argument's bytes may have another encoding. Raises ValueError."""
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r:.80} is not UTF-8; type it in that encoding") from None
    return text
