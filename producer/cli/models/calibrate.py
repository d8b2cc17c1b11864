"""The command that calibrates an imported version: models calibrate."""

from __future__ import annotations

import sys

import click

from producer.cli.command_examples import examples
from producer.cli.names import MODEL, MODEL_FORM
from producer.cli.options import json_option, print_answer, quiet_option
from producer.present.style import columns_of
from shared.settings import Settings


@click.command(epilog=examples(("hangtag models calibrate mine --data images/", "")))
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "--data",
    required=True,
    metavar="fashion-mnist|DIR",
    help="Labelled images that the network has not learned from, best a few hundred or more.",
)
@quiet_option
@json_option
def calibrate(model: str, data: str, as_json: bool, quiet: bool) -> None:
    """Fit an imported version's confidence to labelled images.

    The result is a new version of the same files. It replaces the old one where that is in
    production, since both give the same labels.
    """
    from producer.cli.running import running_request
    from producer.models import calibrate as calibrate_

    settings = Settings.from_env()
    with running_request(quiet or as_json) as (events, stop):
        trained = calibrate_.calibrate(settings, model, data, events=events, stop=stop)
    room = columns_of(sys.stdout)
    print_answer(trained, calibrate_.lines(trained, settings, room), as_json, quiet)


COMMANDS = (calibrate,)
