"""Options that several commands have, and what they print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from producer.cli.option_lists import seldom_option
from producer.cli.params import Parsed
from producer.present.formatting import show_json
from producer.present.style import columns_of, fitted_lines
from shared.messages.training import Train
from shared.options import options_of, parse_share
from shared.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

JSON = "--json"
json_option = click.option(
    JSON, "as_json", is_flag=True,
    help="Print JSON; an error as JSON on standard error.",
)  # fmt: skip
log_json_option = click.option(
    "--log-json", is_flag=True,
    help="Log one JSON object a line. HANGTAG_LOG_JSON=1 does the same.",
)  # fmt: skip
#: A script reads --json, the exit code and the files that were written.
quiet_option = click.option("--quiet", is_flag=True, help="Print only notices and errors.")
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


def print_answer(answer: object, lines: Iterable[str], as_json: bool, quiet: bool = False) -> None:
    """An answer as JSON, or as lines of text unless `quiet`."""
    if as_json:
        show_json(answer)
    elif not quiet:
        print_lines(lines)


def print_lines(lines: Iterable[str]) -> None:
    """Lines of text on standard output, on a terminal wrapped between words."""
    click.echo("\n".join(fitted_lines(lines, columns_of(sys.stdout))))


def report_drawn(written: list[Path], quiet: bool = False) -> None:
    """Name the plots that were written, if any."""
    if written and not quiet:
        click.echo(f"drawn: {', '.join(map(str, written))}", err=True)
