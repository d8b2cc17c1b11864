"""The command that publishes a classifier from elsewhere: models import."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.models.network_options import network_options
from producer.cli.names import MODEL_NAME
from producer.cli.option_lists import Command, seldom_option
from producer.cli.options import (
    json_option,
    print_answer,
    quiet_option,
)
from producer.present.style import columns_of
from shared.messages.training import PRECISIONS, PROMOTE
from shared.settings import Settings

_FORM = ("scale", "mean", "std", "layout", "channels", "size", "output")


@click.command(
    "import",
    cls=Command,
    epilog=examples(
        ("hangtag models import net.onnx --name mine --labels labels.txt --check some/", ""),
        ("hangtag models import net.onnx --name mine --labels labels.txt --scale 0-1", ""),
        ("hangtag models import my.keras --labels labels.txt --name my --data images/", ""),
    ),
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--name", required=True, type=MODEL_NAME, help="The model that the new version belongs to."
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The labels in the order of the network's outputs, one per line, UTF-8; default: those in "
    "the file, or in labels.txt beside a .tflite file.",
)
@click.option(
    "--check",
    default="",
    metavar="DIR",
    help="Labelled images in class folders: try which scale, channels, layout and output fit, and "
    "publish nothing. Of .onnx and .tflite.",
)
@network_options(
    "The network's input range, before --mean and --std. Default of .keras: 0-255, for a network "
    "that rescales its input itself."
)
@seldom_option(
    "--output",
    type=click.Choice(("logits", "probabilities")),
    default=None,
    help="What it returns. Default: probabilities if its last operator is a softmax.",
)
@click.option(
    "--data",
    default="",
    metavar="fashion-mnist|DIR",
    help="Labelled images for calibration and evaluation, of .keras; for others: hangtag models "
    "calibrate.",
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
    help="What workers load of a .keras file. auto: int8, which is faster, if labelled images show "
    "no measurable loss.",
)
@quiet_option
@json_option
def import_model(file: Path, as_json: bool, quiet: bool, **given: Any) -> None:
    """Publish a classifier in an .onnx, .tflite or .keras file.

    An .onnx or .tflite file is checked in a process of its own before anything loads it.
    """
    from producer.cli.running import running_request
    from producer.models import import_model as import_model_
    from shared.messages.replies import Tried
    from shared.messages.requests import NetworkForm

    typed = {name: given.pop(name) for name in _FORM}
    form = NetworkForm(**{name: value for name, value in typed.items() if value})
    wanted = import_model_.Given(form=form, **given)
    settings = Settings.from_env()
    with running_request(quiet or as_json) as (events, stop):
        answer = import_model_.import_model(settings, file, wanted, events=events, stop=stop)
    lines: list[str] = []
    if isinstance(answer, Tried):
        lines = import_model_.tried_lines(answer, file, wanted)
    elif not quiet:
        lines = import_model_.lines(answer, settings, file, form.scale, columns_of(sys.stdout))
    print_answer(answer, lines, as_json, quiet)


COMMANDS = (import_model,)
