"""The command that lets people confirm and correct labels: review."""

from __future__ import annotations

from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.options import json_option
from shared.settings import Settings

KINDS = ("doubtful", "flagged", "disagreeing", "all")


@click.command(
    epilog=examples(
        ("hangtag review photos.csv", "least confident first"),
        ("hangtag review photos.csv --rows flagged", "unlike the training images"),
        ("hangtag review photos.csv --label Shirt", "one label of the model"),
    )
)
@click.argument("table", type=click.Path(path_type=Path), metavar="RESULTS.CSV")
@click.option(
    "--rows",
    type=click.Choice(KINDS),
    default=KINDS[0],
    show_default=True,
    help="Rows to start with; `disagreeing` with the name of their folder.",
)
@click.option("--label", default="", help="Only rows to which the model gave this label.")
@click.option("--folder", default="", help="Only rows of folders with this name.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0: a free one.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@json_option
def review(
    table: Path, rows: str, label: str, folder: str, port: int, open_browser: bool, as_json: bool
) -> None:  # fmt: skip
    """Confirm and correct labels on a local page.

    Each decision is saved in RESULTS.CSV.corrections.jsonl at once. The page can be opened on this
    machine only, with the link that is printed. Ctrl-C ends it.
    """
    from producer.people.after_review import next_steps
    from producer.people.review import serve
    from producer.people.views import ViewKind
    from producer.present.formatting import show_json
    from producer.present.style import next_commands

    def ready(link: str, images: int, notes: list[str]) -> None:
        if as_json:
            show_json({"review": link, "images": images})
        else:
            click.echo(f"review {images:,} images of {table} at:\n  {link}\nCtrl-C ends it")
        for line in notes:
            click.echo(line, err=True)

    serve(
        Settings.from_env(),
        table,
        port=port,
        kind=ViewKind(rows),
        label=label,
        folder=folder,
        open_browser=open_browser,
        on_ready=ready,
    )
    for line in [] if as_json else ["", *next_commands(next_steps(table))]:
        click.echo(line)


COMMANDS = (review,)
