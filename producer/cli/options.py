"""Options that several commands have, and what they print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click
import msgspec

from producer.cli.params import MODEL, MODEL_NAME, RECIPE, Parsed
from producer.present.formatting import show_json
from producer.present.style import columns_of, fitted_lines
from shared.errors import UsageError
from shared.messages.training import Train
from shared.options import Option, defaults_of, flag, options_of, parse_share
from shared.settings import Settings

_GAP = 3
#: The characters of a line without its indentation; a terminal has 80 columns.
_MOST = 76
F = TypeVar("F", bound=Callable[..., Any])


JSON = "--json"
_KINDS: Mapping[str, click.ParamType[Any]] = {
    "model": MODEL,
    "model-name": MODEL_NAME,
    "recipe": RECIPE,
    "path": click.Path(path_type=bytes),
}


def _noted(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Keep the option where every function of the command finds it."""
    assert param.name is not None
    ctx.meta[param.name] = value


class SeldomOption(click.Option):
    """An option that few people type."""


seldom_option = partial(click.option, cls=SeldomOption)


class Command(click.Command):
    """Lists its seldom options below the others."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        seldom = [option for option in options if isinstance(option, SeldomOption)]
        often = [option for option in options if not isinstance(option, SeldomOption)]
        for heading, below in (("Options", often), ("Seldom needed", seldom)):
            records = [option.get_help_record(ctx) for option in below]
            if rows := [record for record in records if record]:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def command(
    *lines: tuple[str, str],
    name: str | None = None,
    group: click.Group | None = None,
    hidden: bool = False,
) -> Callable[[Callable[..., Any]], Command]:
    """Decorate a command, of a group if one is given; `lines` are its examples."""
    made = click.command(name, cls=Command, epilog=examples(*lines), hidden=hidden)

    def decorated(function: Callable[..., Any]) -> Command:
        command = made(function)
        if group is not None:
            group.add_command(command)
        return command

    return decorated


def old_word(name: str, command: click.Command, new: str, **fixed: Any) -> click.Command:
    """A word of 0.2.0 for a command with some parameters fixed; until 0.4. No list has it."""

    def called(**given: Any) -> Any:
        return click.get_current_context().invoke(command, **(given | fixed))

    return Command(
        name,
        params=command.params,
        callback=called,
        help=f"The word of version 0.2.0 for: hangtag {new}.",
        epilog=command.epilog,
        hidden=True,
    )


def examples(*lines: tuple[str, str]) -> str:
    """An epilog for click: each command as it is typed, and in a column what it is for. A purpose
    for which a line has no room follows below its command."""
    width = _column(lines)
    rows = (row for command, purpose in lines for row in _rows(command, purpose, width))
    return "\n".join(("\b", "Examples:", *(f"  {row}" for row in rows)))


def _column(lines: tuple[tuple[str, str], ...]) -> int:
    """The column of the purposes, as far right as every purpose in it allows."""
    lengths = sorted({len(command) + _GAP for command, purpose in lines if purpose}, reverse=True)
    for width in lengths:
        beside = [purpose for command, purpose in lines if len(command) + _GAP <= width]
        if width + max(map(len, beside)) <= _MOST:
            return width
    return 0


def _rows(command: str, purpose: str, width: int) -> list[str]:
    if purpose and len(command) + _GAP > width:
        return [command, f"    {purpose}"]
    return [f"{command:<{width}}{purpose}".rstrip()]


yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def confirm(question: str, yes: bool) -> None:
    """Return if the user agrees or has agreed with --yes; otherwise end with exit code 1.

    Raises:
        UsageError: there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask at; confirm it with --yes")
    click.confirm(question, abort=True, err=True)


json_option = click.option(
    JSON, "as_json", is_flag=True, expose_value=False, callback=_noted,
    help="Print JSON; an error as JSON on standard error.",
)  # fmt: skip
log_json_option = click.option(
    "--log-json", is_flag=True,
    help="Log one JSON object a line. HANGTAG_LOG_JSON=1 does the same.",
)  # fmt: skip
#: A script reads --json, the exit code and the files that were written.
quiet_option = click.option(
    "--quiet", is_flag=True, expose_value=False, callback=_noted,
    help="Print only notices and errors.",
)  # fmt: skip
force_option = click.option("--force", is_flag=True, help="Replace existing plots.")
plots_option = click.option(
    "--pictures",
    "plots",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write its plots to DIR.",
)
corrections_option = click.option(
    "--corrections",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="RESULTS.CSV",
    help="Use the labels that people gave to a table's images with hangtag review. Repeatable.",
)


backbone_option = seldom_option(
    "--backbone",
    default="",
    metavar="NAME",
    help="Compare images by the features of this network, of hangtag backbones.",
)


def max_unreadable_option(default: str) -> Callable[[F], F]:
    """The share of files of a data set that may be unreadable."""
    return seldom_option(
        "--max-unreadable",
        type=Parsed("SHARE|P%", parse_share),
        default=default,
        show_default=True,
        help=options_of(Train)["max_unreadable"].help,
    )


def logging_json(settings: Settings, log_json: bool) -> Settings:
    """The settings, with the option if it is given."""
    if not log_json:
        return settings
    return msgspec.structs.replace(settings, log_json="1")


def as_json() -> bool:
    """Whether the command that runs has --json."""
    return bool(click.get_current_context().meta.get("as_json"))


def is_quiet() -> bool:
    """Whether it has --quiet."""
    return bool(click.get_current_context().meta.get("quiet"))


def is_silent() -> bool:
    """Whether it has one of both, so that it displays no figures of its work."""
    return as_json() or is_quiet()


def print_answer(answer: object, lines: Iterable[str]) -> None:
    """An answer as JSON, or as lines of text unless the command is quiet; on a terminal they are
    wrapped between words."""
    if as_json():
        show_json(answer)
    elif not is_quiet():
        click.echo("\n".join(fitted_lines(lines, columns_of(sys.stdout))))


def report_drawn(written: list[Path]) -> None:
    """Name the plots that were written, if any."""
    if written and not is_quiet():
        click.echo(f"drawn: {', '.join(map(str, written))}", err=True)


def declared(kind: type[msgspec.Struct], *fields: str) -> Callable[[F], F]:
    """Decorate a command with the options of these fields, or of all, in order. The parameter of
    one that is not typed is its default, or None."""

    def decorated(function: F) -> F:
        types, defaults = get_type_hints(kind), defaults_of(kind)
        for field, option in reversed(options_of(kind).items()):
            if not fields or field in fields:
                words = flag(kind, field)
                function = _click_option(words, field, types[field], option, defaults)(function)
        return function

    return decorated


def given_of(kind: type[msgspec.Struct], given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a command that are options of this kind, and have a value."""
    return {field: given[field] for field in options_of(kind) if given.get(field) is not None}


def _click_option(
    words: str, field: str, kind: Any, option: Option, defaults: Mapping[str, Any]
) -> Callable[[F], F]:
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
