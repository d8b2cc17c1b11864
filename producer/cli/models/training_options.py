"""Makes the options of `train` from the declarations in shared/messages/training.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from producer.cli.names import MODEL_NAME, RECIPE
from producer.cli.option_lists import seldom_option
from producer.cli.params import ShareParam
from shared.messages.training import DEFAULTS, Option, Train, flag, options

Function = TypeVar("Function", bound=Callable[..., Any])
KINDS: Mapping[str, click.ParamType[Any]] = {
    "model": MODEL_NAME,
    "recipe": RECIPE,
    "share": ShareParam(),
}


def training_options(function: Function) -> Function:
    """Decorate a command with an option for each field of a training, in order."""
    types = get_type_hints(Train)
    for field, option in reversed(options().items()):
        function = _made(field, types[field], option)(function)
    return function


def typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a command that are fields of a training and were given."""
    return {
        field: given[field] for field in Train.__struct_fields__ if given.get(field) is not None
    }


def _made(field: str, kind: Any, option: Option) -> Callable[[Function], Function]:
    default = DEFAULTS.get(field, "")
    add = seldom_option if option.is_seldom else click.option
    if kind is bool:
        return add(flag(field), field, is_flag=True, help=option.help)
    return add(
        flag(field),
        field,
        type=_type(kind, option),
        default=_shown(default, option) if default or isinstance(default, str) else None,
        show_default=bool(default),
        metavar=option.metavar or None,
        help=option.help,
    )


def _type(kind: Any, option: Option) -> click.ParamType[Any] | None:
    if option.kind:
        return KINDS[option.kind]
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind is int:
        return click.IntRange(int(option.least), int(option.most))
    return None


def _shown(default: Any, option: Option) -> Any:
    return f"{default:.0%}" if option.kind == "share" else default
