"""The command that writes a page on a version: models report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.names import MODEL, MODEL_FORM
from producer.cli.options import json_option, quiet_option
from shared.settings import Settings


@click.command(
    epilog=examples(
        ("hangtag models report garments", "writes garments@3.html"),
        ("hangtag models report garments@2 -o before.html", "another version, another name"),
    )
)
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Default: NAME@VERSION.html in the current folder.",
)
@click.option(
    "--corrections",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="RESULTS.CSV",
    help="Find also the files that were corrected in this table with hangtag review. Repeatable.",
)
@click.option("--force", is_flag=True, help="Replace a file that is no report of a version.")
@quiet_option
@json_option
def report(model: str, output: Path | None, quiet: bool, as_json: bool, **given: Any) -> None:
    """Write a page on a version: figures, plots, mistakes.

    The mistakes are held-out images that it takes for another label, with their files where the
    data that it was trained on are on this machine. Photos outside of its folder, which it learned
    from by corrections, are found with --corrections.
    """
    from producer.present.formatting import show_json, size
    from producer.report.model_report import write_model_report

    settings = Settings.from_env()
    silent = quiet or as_json
    written = write_model_report(settings, model, output, quiet=silent, **given)
    if as_json:
        show_json(written)
        return
    if not quiet:
        mistakes = mistakes_text(written.mistakes, written.wrong)
        figures = f"{written.model}, {mistakes}, {size(written.bytes)}"
        click.echo(f"{written.report}: {figures}", err=True)
    for notice in written.notices:
        click.echo(notice, err=True)


def mistakes_text(shown: int, wrong: int) -> str:
    """The mistakes on a page, and how many there are."""
    from producer.present.formatting import counted

    return f"{'' if shown == wrong else f'{shown:,} of '}{counted(wrong, 'mistake')}"


COMMANDS = (report,)
