"""The command that writes a report on a table: report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.names import JOB
from producer.cli.options import json_option, quiet_option
from shared.errors import Exit
from shared.settings import Settings


@click.command(
    epilog=examples(
        ("hangtag report photos.csv", "writes photos.html"),
        ("hangtag report photos.csv -o page.html", "another name"),
        ("hangtag report h3k9x2ma -o so-far.html", "the rows so far of a running job"),
    )
)
@click.argument("job", type=JOB, metavar="RESULTS.CSV|JOB")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="REPORT.html",
    help="Default: beside the table, results.html for results.csv.",
)
@click.option("--force", is_flag=True, help="Replace a file that is no report.")
@quiet_option
@json_option
def report(job: str, output: Path | None, force: bool, quiet: bool, as_json: bool) -> None:
    """Write a page on a table: figures, pictures, failures.

    It is one HTML file of at most 10 MB that needs no network: labels and confidences, pictures of
    every label with the doubtful ones first, flagged and failed rows, the model, and where folders
    are named like labels what was confused with what.
    """
    from producer.present.formatting import counted, near, one_line, show_json, size
    from producer.report.report import write_report

    settings = Settings.from_env()
    written = write_report(settings, job, output, force=force, quiet=quiet or as_json)
    if as_json:
        show_json(written)
    elif not quiet:
        figures = f"{counted(written.rows, 'row')}, {counted(written.pictures, 'picture')}"
        click.echo(f"{near(written.report)}: {figures}, {size(written.bytes)}", err=True)
    if written.notice and not as_json:
        click.echo(one_line(written.notice), err=True)
    if written.is_foreign:
        sys.exit(Exit.NOT_PROVEN)


COMMANDS = (report,)
