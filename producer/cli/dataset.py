"""Commands for data sets: dataset show."""

from __future__ import annotations

from pathlib import Path

import click

from producer.output.text import show_json
from shared.messages.requests import FASHION_MNIST
from shared.settings import Settings


@click.group()
def dataset() -> None:
    """What models are trained on."""


@dataset.command()
@click.option(
    "--data",
    default=FASHION_MNIST,
    metavar="fashion-mnist|DIR",
    show_default=True,
    help="A folder has one subfolder for each class.",
)
@click.option(
    "--index",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Which image to show alone.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where grid.png and image.png go. Default: here.",
)
@click.option("--force", is_flag=True, help="Replace pictures that are there.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on standard output.")
def show(
    data: str, index: int, folder: Path, force: bool, quiet: bool, as_json: bool
) -> None:  # fmt: skip
    """Shapes and counts per class, the grid of 25 named samples, and one image alone.

    It is queued like a training: the data are where the trainer is.
    """
    from producer.models import dataset as work

    settings = Settings.from_env()
    shown = work.describe(settings, data, index, folder, force=force, quiet=quiet or as_json)
    if as_json:
        show_json(shown.report)
    else:
        click.echo("\n".join(work.lines(shown.report)))
    click.echo(f"drawn: {', '.join(map(str, shown.written))}", err=True)


COMMANDS = (dataset,)
