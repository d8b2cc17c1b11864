"""The group of commands on networks whose features heads learn from: backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.models.network_options import network_options
from producer.cli.names import MODEL_NAME
from producer.cli.options import json_option, print_answer, quiet_option
from shared.settings import Settings

_LIKE = ("timm", "torchvision", "clip")


@click.group(
    epilog=examples(
        ("hangtag backbones add dino.onnx --name dino --like timm", ""),
        ("hangtag train photos/ --backbone dino", "a head on its features"),
    )
)
def backbones() -> None:
    """Add, list, remove networks that photos use."""


@backbones.command(epilog=examples(("hangtag backbones add dino.onnx --name dino --like timm", "")))
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.onnx")
@click.option("--name", required=True, type=MODEL_NAME, help="Its name, as for --backbone.")
@click.option(
    "--like",
    type=click.Choice(_LIKE),
    default=None,
    help="Its input has the values that networks of this tool take as a rule: 0 to 1, with the "
    "mean and deviation of ImageNet, or of CLIP.",
)
@network_options("The range of its input's values, before --mean and --std.")
@click.option(
    "--output", default="", metavar="NAME", help="The output with the features, of several."
)
@quiet_option
@json_option
def add(
    file: Path, name: str, like: str | None, output: str, quiet: bool, as_json: bool, **given: Any
) -> None:
    """Add a network in an .onnx file that returns features.

    It is checked in a process of its own before anything loads it. What the file says is read;
    what it does not say must be given.
    """
    from producer.cli.running import running_request
    from producer.models import backbones as backbones_

    settings, form = Settings.from_env(), backbones_.form_like(like, given)
    with running_request(quiet or as_json) as (events, stop):
        added = backbones_.add(settings, file, name, form, output, events=events, stop=stop)
    print_answer(added, backbones_.added_lines(added), as_json, quiet)


@backbones.command("list", epilog=examples(("hangtag backbones list", "")))
@json_option
def list_backbones(as_json: bool) -> None:
    """List the networks that were added."""
    _print_listed("", as_json, quiet=False)


@backbones.command(epilog=examples(("hangtag backbones rm dino", "")))
@click.argument("name", type=MODEL_NAME)
@quiet_option
@json_option
def rm(name: str, as_json: bool, quiet: bool) -> None:
    """Remove one; versions that use it have it still."""
    _print_listed(name, as_json, quiet)


def _print_listed(remove: str, as_json: bool, quiet: bool) -> None:
    from producer.cli.running import running_request
    from producer.models import backbones as backbones_

    with running_request(quiet or as_json) as (events, stop):
        found = backbones_.listed(Settings.from_env(), remove, events=events, stop=stop)
    print_answer(found.added, backbones_.lines(found), as_json, quiet)


COMMANDS = (backbones,)
