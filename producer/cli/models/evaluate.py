"""The command that measures a version: models evaluate."""

from __future__ import annotations

import sys
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.names import MODEL, MODEL_FORM
from producer.cli.option_lists import Command
from producer.cli.options import (
    corrections_option,
    force_option,
    json_option,
    max_unreadable_option,
    plots_option,
    print_answer,
    quiet_option,
    report_drawn,
)
from producer.present.style import columns_of
from shared.settings import Settings


@click.command(
    cls=Command,
    epilog=examples(
        ("hangtag models evaluate garments", "on the data that it was made from"),
        ("hangtag models evaluate garments@3 --data photos/ --pictures plots/", ""),
    ),
)
@click.argument("model", type=MODEL, required=False, default="", metavar=f"[{MODEL_FORM}]")
@click.option(
    "--data",
    default=None,
    metavar="fashion-mnist|DIR",
    help="A folder with one subfolder for each class, named like the model's labels. Default: the "
    "data that the version was trained on.",
)
@max_unreadable_option("5%")
@corrections_option
@plots_option
@force_option
@quiet_option
@json_option
def evaluate(model: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Measure a version on labelled images.

    The figures are accuracy, loss, calibration error, and those of every class.
    The request is queued like a training and runs on the trainer's machine.
    """
    from producer.cli.running import running_request
    from producer.models import evaluate as evaluate_
    from producer.models.default_model import default_model

    settings = Settings.from_env()
    model = model or default_model(settings)
    with running_request(quiet or as_json) as (events, stop):
        measured = evaluate_.evaluate(settings, model, events=events, stop=stop, **given)
    lines = evaluate_.lines(measured.evaluated, columns_of(sys.stdout))
    print_answer(measured.evaluated, lines, as_json, quiet)
    report_drawn(measured.written, quiet)


COMMANDS = (evaluate,)
