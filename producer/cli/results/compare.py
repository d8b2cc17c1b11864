"""The command that compares two tables: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.names import JOB
from producer.cli.options import json_option, print_answer, quiet_option
from shared.settings import Settings


def page_options(command: Any) -> Any:
    """The options of every comparison."""
    for option in reversed(
        (
            click.option("-o", "--output", type=click.Path(path_type=Path), metavar="COMPARE.html",
                         help="Also write a page with the pictures of disagreements."),
            click.option("--force", is_flag=True,
                         help="Replace a file that is no comparison."),
            quiet_option,
            json_option,
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(
    epilog=examples(
        ("hangtag compare photos.csv photos-2.csv", "two versions, or two runs"),
        ("hangtag compare photos.csv photos-2.csv -o compare.html", "and the pictures"),
    )
)
@click.argument("a", type=JOB, metavar="A")
@click.argument("b", type=JOB, metavar="B")
@page_options
def compare(a: str, b: str, output: Path | None, force: bool, quiet: bool, as_json: bool) -> None:
    """Compare two tables over the same images.

    A and B are tables or jobs. Their rows are paired by the path of the file: how many agree, which
    labels differ, and where folders are named like labels, or people decided with `hangtag review`,
    which table is right, with an exact test of whether that may be chance. Labels are the model's,
    without the thresholds of the tables.
    """
    from producer.compare.tables import compare_tables

    compared = compare_tables(a, b, output, force=force, quiet=quiet or as_json)
    show_comparison(compared, as_json, quiet)


def show_comparison(compared: Any, as_json: bool, quiet: bool) -> None:
    import sys

    from producer.compare.comparison_text import lines, next_lines
    from producer.present.style import columns_of
    from shared.registry.registry import Registry

    registry = Registry(Settings.from_env().store_path)
    shown = lines(compared.comparison, columns_of(sys.stdout))
    if following := next_lines(compared.comparison, bool(compared.page), registry):
        shown += ["", *following]
    print_answer(compared, shown, as_json, quiet)
    if compared.page and not quiet:
        click.echo(f"\n{compared.page}", err=True)
    if compared.notice:
        click.echo(compared.notice, err=True)


COMMANDS = (compare,)
