"""Commands for data sets: dataset show."""

from __future__ import annotations

from pathlib import Path

import click

from producer.cli.examples import examples
from producer.output.formatting import show_json
from shared.messages.requests import FASHION_MNIST
from shared.settings import Settings


@click.group(
    epilog=examples(
        ("hangtag dataset show", "Fashion-MNIST"),
        ("hangtag dataset show --data photos/", "one subfolder for each class"),
    )
)
def dataset() -> None:
    """Show the data that a model is trained on."""


@dataset.command(
    epilog=examples(
        ("hangtag dataset show -o plots/", "Fashion-MNIST; grid.png and image.png"),
        ("hangtag dataset show --data photos/ --index 17 --force", ""),
    )
)
@click.option(
    "--data",
    default=FASHION_MNIST,
    metavar="fashion-mnist|DIR",
    show_default=True,
    help="A folder must have one subfolder for each class.",
)
@click.option(
    "--index",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Index of the image to draw alone.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Write grid.png and image.png to this folder. Default: the current folder.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--quiet", is_flag=True, help="Do not show progress.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the report as JSON on standard output."
)
def show(
    data: str, index: int, folder: Path, force: bool, quiet: bool, as_json: bool
) -> None:  # fmt: skip
    """Show its size and classes; draw samples and one image.

    The grid has 25 labelled samples. The request is queued like a training, because
    the data are on the trainer's machine.
    """
    from producer.models import dataset as work

    settings = Settings.from_env()
    summary = work.describe(settings, data, index, folder, force=force, quiet=quiet or as_json)
    if as_json:
        show_json(summary.report)
    else:
        click.echo("\n".join(work.lines(summary.report)))
    click.echo(f"drawn: {', '.join(map(str, summary.written))}", err=True)


COMMANDS = (dataset,)
