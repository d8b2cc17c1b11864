"""The command that writes a report on a table: report."""

from __future__ import annotations

from pathlib import Path

import click

from producer.cli.examples import examples
from shared.settings import Settings


@click.command(
    epilog=examples(
        ("hangtag report photos.csv", "writes photos.html"),
        ("hangtag report photos.csv -o page.html", "another name"),
    )
)
@click.argument("table", type=click.Path(path_type=Path), metavar="RESULTS.CSV")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="REPORT.html",
    help="Default: beside the table, results.html for results.csv.",
)
@click.option("--force", is_flag=True, help="Replace a file that is no page of Hangtag.")
@click.option("--quiet", is_flag=True, help="Do not show progress.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
def report(table: Path, output: Path | None, force: bool, quiet: bool, as_json: bool) -> None:
    """Write a page on a table: figures, pictures, failures.

    It is one HTML file of at most 10 MB that needs no network: labels and confidences, pictures of
    every label with the doubtful ones first, flagged and failed rows, the model, and where folders
    are named like labels what was confused with what.
    """
    from producer.output.formatting import counted, show_json, size
    from producer.report.report import write_report

    settings = Settings.from_env()
    written = write_report(settings, table, output, force=force, quiet=quiet or as_json)
    if as_json:
        show_json(written)
        return
    figures = f"{counted(written.rows, 'row')}, {counted(written.pictures, 'picture')}"
    click.echo(f"{written.report}: {figures}, {size(written.bytes)}", err=True)
    if written.notice:
        click.echo(written.notice, err=True)


COMMANDS = (report,)
