"""The command that classifies a few images: predict."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from producer.cli.options import (
    as_json,
    command,
    is_quiet,
    is_silent,
    json_option,
    quiet_option,
    report_drawn,
)
from producer.cli.params import MODEL, MODEL_FORM
from shared.errors import Exit
from shared.settings import Settings


@command(
    ("hangtag predict shoe.jpg", "the five most likely labels"),
    ("hangtag predict *.jpg --plot predictions.png", "and a plot of them"),
    ("hangtag predict shoe.jpg --truth Sneaker --model garments", ""),
)
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=bytes), metavar="IMAGE..."
)
@click.option(
    "--model",
    type=MODEL,
    default="",
    metavar=MODEL_FORM,
    help="Default: see hangtag models use.",
)
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Number of labels to show per image.",
)
@click.option(
    "--truth",
    multiple=True,
    metavar="LABEL",
    help="The true label: once for all images, or once for each.",
)
@click.option(
    "--plot",
    "plot_file",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw each image beside its probabilities.",
)
@click.option("--force", is_flag=True, help="Replace an existing --plot file.")
@quiet_option
@json_option
def predict(
    images: tuple[bytes, ...],
    model: str,
    top: int,
    truth: tuple[str, ...],
    plot_file: Path | None,
    force: bool,
) -> None:  # fmt: skip
    """Classify a few images and print their labels.

    Exit codes: 0 all classified, 3 some could not be, 2 usage, 1 set-up.
    """
    from producer.cli.running import running_job
    from producer.models.default_model import default_model
    from producer.predict import plot as plots
    from producer.predict import predictions as found
    from producer.predict.predict import in_files
    from producer.predict.predict import predict as predict_images

    if plot_file is not None:
        plots.check(plot_file, force, images)
    settings = Settings.from_env()
    model = model or default_model(settings)
    with ExitStack() as opened:
        with running_job(is_silent()) as (events, stop):
            files = opened.enter_context(in_files(images, stop))
            made = predict_images(
                files, settings, model=model, truth=truth, events=events, stop=stop
            )
        predictions = found.named(made, files, images)
        if as_json():
            click.echo(found.as_json(predictions, top).encode())
        elif not is_quiet():
            click.echo("\n".join(found.lines(predictions, top)))
            for line in found.summary(predictions):
                click.echo(line, err=True)
        if plot_file is not None:
            plots.draw(plot_file, predictions)
            report_drawn([plot_file])
    sys.exit(Exit.SOME_FAILED if predictions.failed else Exit.OK)
