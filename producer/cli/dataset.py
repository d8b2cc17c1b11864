"""Commands for data sets: `dataset show` and `dataset check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from producer.cli.options import (
    as_json,
    backbone_option,
    command,
    corrections_option,
    examples,
    is_silent,
    json_option,
    max_unreadable_option,
    print_answer,
    quiet_option,
    report_drawn,
    seldom_option,
)
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings


@click.group(
    epilog=examples(
        ("hangtag dataset show", "Fashion-MNIST"),
        ("hangtag dataset show --data photos/", "one subfolder for each class"),
    )
)
def dataset() -> None:
    """Show a data set, or search it for mistakes."""


@command(
    ("hangtag dataset show -o plots/", "Fashion-MNIST; grid.png and image.png"),
    ("hangtag dataset show --data photos/ --index 17 --force", ""),
    group=dataset,
)
@click.option(
    "--data",
    default=FASHION_MNIST,
    metavar="fashion-mnist|DIR",
    show_default=True,
    help="A folder must have one subfolder for each class.",
)
@seldom_option(
    "--index",
    type=click.IntRange(0),
    help="Draw only the image with this index.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write grid.png and image.png to this folder, with --index image.png alone. Default: the "
    "current folder; with --json no plots.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@quiet_option
@json_option
def show(
    data: str, index: int | None, folder: Path | None, force: bool
) -> None:  # fmt: skip
    """Show its size and classes; draw samples and one image.

    The grid has 25 images to learn from, or of all parts if there are none. The request is
    queued like a training, because the data are on the trainer's machine.
    """
    from producer.cli.running import running_request
    from producer.trainer import dataset as data_set

    settings = Settings.from_env()
    folder = folder or (None if as_json() else Path())
    with running_request() as (events, stop):
        summary = data_set.describe(
            settings, data, index, folder, force=force, events=events, stop=stop
        )
    print_answer(summary.report, data_set.lines(summary.report))
    report_drawn(summary.written)


@command(
    ("hangtag dataset check photos/ -o check.html", "the page, and check.csv"),
    ("hangtag dataset check photos/", "into photos-check.csv"),
    ("hangtag review photos-check.csv --rows disagreeing", "correct what it found"),
    ("hangtag dataset check photos/ --corrections photos-check.csv", ""),
    group=dataset,
)
@click.argument("folder", metavar="DIR")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="The table (.csv), or a page (.html) and the table beside it. Default: the folder's "
    "name and -check.csv, in the current folder.",
)
@corrections_option
@max_unreadable_option("50%")
@backbone_option
@click.option("--force", is_flag=True, help="Replace also what no check has written.")
@quiet_option
@json_option
def check(folder: str, output: Path | None, force: bool, **given: Any) -> None:
    """Search class folders for wrong labels and duplicates.

    Each image is answered by a model that did not learn from it. The table has these answers;
    hangtag review shows where they disagree with the folders. The request is queued like a
    training, and changes no folder.
    """  # fmt: skip
    from producer.cli.running import running_request
    from producer.pages import check as dataset_check

    settings, silent = Settings.from_env(), is_silent()
    output = output or dataset_check.default_output(folder)
    page = output if output.suffix.lower() in (".html", ".htm") else None
    table = output if page is None else output.with_suffix(".csv")
    with running_request(silent) as (events, stop):
        findings = dataset_check.check(
            settings, folder, table, page=page, force=force, quiet=silent, events=events,
            stop=stop, **given,
        )  # fmt: skip
    print_answer(findings, dataset_check.lines(findings, folder, given["corrections"]))
