"""The group of commands on versions of models: models."""

from __future__ import annotations

import click

from producer.cli.command_examples import examples
from producer.cli.models import (
    calibrate,
    compare,
    evaluate,
    export,
    import_model,
    version_report,
    versions,
)


@click.group(
    epilog=examples(
        ("hangtag models list", "every version and its accuracy"),
        ("hangtag models use garments", "the model of classify and predict"),
        ("hangtag models promote garments@3", "what garments stands for from now on"),
    )
)
def models() -> None:
    """List, use, compare, import, export, delete versions."""


for command in (
    *versions.COMMANDS,
    *version_report.COMMANDS,
    *evaluate.COMMANDS,
    *compare.COMMANDS,
    *import_model.COMMANDS,
    *calibrate.COMMANDS,
    *export.COMMANDS,
):
    models.add_command(command)

COMMANDS = (models,)
