"""The command that publishes a classifier from elsewhere: models import."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.names import MODEL_NAME
from producer.cli.options import (
    json_option,
    print_answer,
    quiet_option,
)
from producer.present.style import columns_of
from shared.messages.training import PRECISIONS, PROMOTE
from shared.settings import Settings


@click.command(
    "import",
    epilog=examples(
        ("hangtag models import mine.keras --labels labels.txt --name mine", ""),
        ("hangtag models import my.keras --labels labels.txt --name my --data images/", ""),
    ),
)
@click.argument("file", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The labels in the order of the network's outputs, one per line, UTF-8.",
)
@click.option(
    "--name", required=True, type=MODEL_NAME, help="The model that the new version belongs to."
)
@click.option(
    "--scale",
    type=click.Choice(("0-255", "0-1", "-1-1")),
    default="0-255",
    show_default=True,
    help="The network's input range. Use 0-255 if the network rescales its input itself.",
)
@click.option(
    "--data",
    default="",
    metavar="fashion-mnist|DIR",
    help="Labelled images for calibration and evaluation.",
)
@click.option(
    "--promote",
    type=click.Choice(PROMOTE),
    default="never",
    show_default=True,
    help="When to point NAME@production to the new version. The first version always gets it.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=PRECISIONS[0],
    show_default=True,
    help="What workers load. auto: int8, which is faster, if labelled images show no measurable "
    "loss.",
)
@quiet_option
@json_option
def import_model(file: Path, labels: Path, as_json: bool, quiet: bool, **given: Any) -> None:
    """Publish a Keras classifier that was trained elsewhere.

    The file is checked before Keras loads it: layers that could run code are refused.
    """
    from producer.cli.running import running_request
    from producer.models import import_model as import_model_

    settings = Settings.from_env()
    with running_request(quiet or as_json) as (events, stop):
        trained = import_model_.import_model(
            settings, file, labels, events=events, stop=stop, **given
        )
    lines = (
        []
        if quiet
        else import_model_.lines(trained, settings, given["scale"], columns_of(sys.stdout))
    )
    print_answer(trained, lines, as_json, quiet)


COMMANDS = (import_model,)
