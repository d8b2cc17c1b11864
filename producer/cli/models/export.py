"""The command that writes a version for use without Hangtag: models export."""

from __future__ import annotations

from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.names import MODEL, MODEL_FORM
from producer.cli.options import json_option, print_answer, quiet_option
from shared.settings import Settings


@click.command(
    epilog=examples(
        ("hangtag models export garments -o garments/", "the version in production"),
        ("python garments/classify.py photo.jpg", "without Hangtag"),
    )
)
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR",
    help="Write the files to this folder.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace existing files.")
@quiet_option
@json_option
def export(model: str, folder: Path, force: bool, quiet: bool, as_json: bool) -> None:
    """Write a version for use without Hangtag.

    The folder has the networks, the labels, the preprocessing as JSON, and a short script of
    Python that gives the same labels: classify.py.
    """
    from producer.models import export as export_
    from producer.models.load_catalog import load_catalog
    from shared.messages.model_name import parse

    catalog = load_catalog(Settings.from_env())
    card = catalog.version(parse(model))[1].card
    exported = export_.export(catalog, card, folder, force)
    print_answer(exported, export_.lines(exported, card), as_json, quiet)


COMMANDS = (export,)
