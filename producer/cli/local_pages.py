"""The commands that open a local page, on which people label images: label, review."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from producer.cli.options import as_json, backbone_option, command, json_option
from producer.cli.params import Parsed
from producer.job.job_options import parse_accept
from shared.errors import UsageError
from shared.settings import Settings

if TYPE_CHECKING:
    from producer.people.serving import Ready


KINDS = ("doubtful", "flagged", "disagreeing", "all")


@command(
    ("hangtag review photos.csv", "least confident first"),
    ("hangtag review photos.csv --rows flagged", "unlike the training images"),
    ("hangtag review photos.csv --label Shirt", "one label of the model"),
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
    table: Path, rows: str, label: str, folder: str, port: int, open_browser: bool
) -> None:  # fmt: skip
    """Confirm and correct labels on a local page.

    Each decision is saved in RESULTS.CSV.corrections.jsonl at once. The page can be opened on this
    machine only, with the link that is printed. Ctrl-C ends it.
    """
    from producer.people.next_steps import after_review
    from producer.people.review import serve
    from producer.people.table_queue import ViewKind
    from producer.present.style import next_commands

    serve(
        Settings.from_env(),
        table,
        port=port,
        kind=ViewKind(rows),
        label=label,
        folder=folder,
        open_browser=open_browser,
        on_ready=_ready("review", str(table), {}),
    )
    for line in [] if as_json() else ["", *next_commands(after_review(table))]:
        click.echo(line)


@command(
    ("hangtag label photos/", "the labels are in photos.labels.jsonl"),
    ("hangtag label photos/ -o first.jsonl", "another file"),
    ("hangtag label photos/ --from old.csv", "with its corrections"),
    ("hangtag train photos/ --labels", "learn from them"),
)
@click.argument("folder", metavar="DIR")
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE",
    help="The file of the labels. Default: the folder's name and .labels.jsonl, in the current "
    "folder.",
)  # fmt: skip
@click.option(
    "--from", "tables", type=click.Path(path_type=Path), multiple=True, metavar="RESULTS.CSV",
    help="Take the corrections of a table as labels. Repeatable.",
)  # fmt: skip
@click.option(
    "--accept", type=Parsed("90|95|98|99%", parse_accept),
    help="With --from: the accepted rows of the tables are guesses to begin with, for example 95%.",
)  # fmt: skip
@click.option(
    "--folders/--no-folders", default=None,
    help="Take the names of all folders beside loose images as labels, or of none. Default: the "
    "page asks about each, but not about dates such as 2023-05.",
)  # fmt: skip
@backbone_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0: a free one.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@json_option
def label(
    folder: str,
    file: Path | None,
    tables: tuple[Path, ...],
    accept: float | str | None,
    folders: bool | None,
    backbone: str,
    port: int,
    open_browser: bool,
) -> None:
    """Give first labels to unsorted images on a local page.

    The page shows alike images together; one name labels all of them. Each decision is saved at
    once, and no image changes. The page can be opened on this machine only, with the link that is
    printed. Ctrl-C ends it; the same command goes on.
    """
    from producer.cli.running import running_request
    from producer.people.folder_images import Computed, computed, place
    from producer.people.label import serve
    from producer.people.next_steps import after_label, reached, small_classes, unsure
    from producer.present.style import next_commands
    from shared.labels import labels_file

    if accept is not None and not tables:
        raise UsageError("--accept is for rows of a table; name it with --from")
    if isinstance(accept, str):
        raise UsageError("--accept all takes labels in doubt, too; give a precision, as 95%")
    place(Settings.from_env(), folder)  # before the file of its labels is made
    path = file or labels_file.default_path(folder)

    def compute() -> Computed:
        with running_request() as (events, stop):
            return computed(Settings.from_env(), folder, backbone, events, stop)

    ended = serve(
        folder, path, compute, tables=tables, accept=accept, folders=folders, port=port,
        open_browser=open_browser, on_ready=_ready("label", folder, {"labels": str(path)}),
    )  # fmt: skip
    if as_json():
        return
    click.echo()
    click.echo(reached(ended.counts, ended.by_folders, len(ended.labels), path))
    for line in filter(None, (small_classes(ended.labels), unsure(ended.counts))):
        click.echo(line)
    for line in next_commands(after_label(folder, path, len(ended.labels), backbone)):
        click.echo(line)


def _ready(name: str, what: str, more: Mapping[str, str]) -> Ready:
    """Prints the link of a page. `more` are fields of its JSON."""
    from producer.present.formatting import counted, show_json

    def ready(link: str, images: int, notes: list[str]) -> None:
        for line in notes:
            click.echo(line, err=True)
        if as_json():
            show_json({name: link, "images": images, **more})
        else:
            pictures = counted(images, "image")
            click.echo(f"{name} {pictures} of {what} at:\n  {link}\nCtrl-C ends it")

    return ready
