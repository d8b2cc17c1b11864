"""Makes the options of a command from the fields that declare them (shared/options.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click
import msgspec

from producer.cli.names import MODEL, MODEL_NAME, RECIPE
from producer.cli.option_lists import seldom_option
from producer.cli.params import Parsed
from shared.options import Option, defaults_of, flag, options_of, parse_share

Function = TypeVar("Function", bound=Callable[..., Any])
_KINDS: Mapping[str, click.ParamType[Any]] = {
    "model": MODEL,
    "model-name": MODEL_NAME,
    "recipe": RECIPE,
    "path": click.Path(path_type=bytes),
}


def declared(kind: type[msgspec.Struct], *fields: str) -> Callable[[Function], Function]:
    """Decorate a command with the options of these fields, or of all, in order. The parameter of
    one that is not typed is its default, or None."""

    def decorated(function: Function) -> Function:
        types, defaults = get_type_hints(kind), defaults_of(kind)
        for field, option in reversed(options_of(kind).items()):
            if not fields or field in fields:
                words = flag(kind, field)
                function = _made(words, field, types[field], option, defaults)(function)
        return function

    return decorated


def given_of(kind: type[msgspec.Struct], given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a command that are options of this kind, and have a value."""
    return {field: given[field] for field in options_of(kind) if given.get(field) is not None}


def _made(
    words: str, field: str, kind: Any, option: Option, defaults: Mapping[str, Any]
) -> Callable[[Function], Function]:
    add = seldom_option if option.is_seldom else click.option
    if kind is bool:
        return add(words, field, is_flag=True, help=option.help)
    if isinstance(kind, UnionType) and bool in get_args(kind):
        return add(f"{words}/--no-{words[2:]}", field, default=None, help=option.help)
    default = defaults.get(field)
    shown = default if isinstance(default, int | float | str) and default else None
    return add(
        words,
        field,
        type=_type(kind, option),
        default=f"{shown:.0%}" if shown and option.parse is parse_share else shown,
        show_default=shown is not None,
        metavar=option.metavar or None,
        multiple=option.is_repeated,
        help=option.help,
    )


def _type(kind: Any, option: Option) -> click.ParamType[Any] | None:
    if option.parse is not None:
        return Parsed(option.metavar or "TEXT", option.parse)
    if option.kind:
        return _KINDS[option.kind]
    if option.choices or get_origin(kind) is Literal:
        return click.Choice(tuple(option.choices) or get_args(kind))
    return click.IntRange(int(option.least), int(option.most)) if option.most < 1e18 else None
