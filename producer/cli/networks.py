"""The commands on networks from elsewhere, and for elsewhere: models import, calibrate, export, and
backbones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from producer.cli.options import (
    command,
    examples,
    is_quiet,
    json_option,
    print_answer,
    quiet_option,
    seldom_option,
)
from producer.cli.params import MODEL, MODEL_FORM, MODEL_NAME, Parsed, parse_numbers
from producer.present.style import columns_of
from shared.messages.training import PRECISIONS, PROMOTE
from shared.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
_FORM = ("scale", "mean", "std", "layout", "channels", "size", "output")
_NUMBERS = Parsed("N,N,N", parse_numbers)
_LIKE = ("timm", "torchvision", "clip")


def network_options(scale: str) -> Callable[[F], F]:
    """Decorate a command with them; `scale` is the help of --scale."""
    options = (
        click.option(
            "--scale", type=click.Choice(("0-255", "0-1", "-1-1")), default=None, help=scale
        ),
        seldom_option(
            "--mean", type=_NUMBERS,
            help="Subtracted from each channel, as in 0.5,0.5,1.",
        ),
        seldom_option(
            "--std", type=_NUMBERS, help="Then divides each channel."
        ),
        seldom_option(
            "--layout", type=click.Choice(("nhwc", "nchw")), default=None,
            help="Of an ambiguous input.",
        ),
        seldom_option(
            "--channels", type=click.Choice(("rgb", "bgr")), default="rgb", show_default=True,
            help="The order of the colours.",
        ),
        seldom_option(
            "--size", type=click.IntRange(1, 4096), default=None,
            help="Of both sides, if the input takes any.",
        ),
    )  # fmt: skip

    def decorated(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorated


@command(
    ("hangtag models import net.onnx --name mine --labels labels.txt --check some/", ""),
    ("hangtag models import net.onnx --name mine --labels labels.txt --scale 0-1", ""),
    ("hangtag models import my.keras --labels labels.txt --name my --data images/", ""),
    name="import",
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
def import_model(file: Path, **given: Any) -> None:
    """Publish a classifier in an .onnx, .tflite or .keras file.

    An .onnx or .tflite file is checked in a process of its own before anything loads it.
    """
    from producer.cli.running import running_request
    from producer.trainer import import_model as import_model_
    from shared.messages.replies import Tried
    from shared.messages.requests import NetworkForm

    typed = {name: given.pop(name) for name in _FORM}
    form = NetworkForm(**{name: value for name, value in typed.items() if value})
    wanted = import_model_.ImportArguments(form=form, **given)
    settings = Settings.from_env()
    with running_request() as (events, stop):
        answer = import_model_.import_model(settings, file, wanted, events=events, stop=stop)
    lines: list[str] = []
    if isinstance(answer, Tried):
        lines = import_model_.tried_lines(answer, file, wanted)
    elif not is_quiet():
        lines = import_model_.lines(answer, settings, file, form.scale, columns_of(sys.stdout))
    print_answer(answer, lines)


@click.group(
    epilog=examples(
        ("hangtag backbones add dino.onnx --name dino --like timm", ""),
        ("hangtag train photos/ --backbone dino", "a head on its features"),
    )
)
def backbones() -> None:
    """Add, list, remove networks that photos use."""


@command(("hangtag backbones add dino.onnx --name dino --like timm", ""), group=backbones)
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
def add(file: Path, name: str, like: str | None, output: str, **given: Any) -> None:
    """Add a network in an .onnx file that returns features.

    It is checked in a process of its own before anything loads it. What the file says is read;
    what it does not say must be given.
    """
    from producer.cli.running import running_request
    from producer.trainer import backbones as backbones_

    settings, form = Settings.from_env(), backbones_.form_like(like, given)
    with running_request() as (events, stop):
        added = backbones_.add(settings, file, name, form, output, events=events, stop=stop)
    print_answer(added, backbones_.added_lines(added))


@command(("hangtag backbones list", ""), name="list", group=backbones)
@json_option
def list_backbones() -> None:
    """List the networks that were added."""
    _print_listed("")


@command(("hangtag backbones rm dino", ""), group=backbones)
@click.argument("name", type=MODEL_NAME)
@quiet_option
@json_option
def rm(name: str) -> None:
    """Remove one; versions that use it have it still."""
    _print_listed(name)


def _print_listed(remove: str) -> None:
    from producer.cli.running import running_request
    from producer.trainer import backbones as backbones_

    with running_request() as (events, stop):
        found = backbones_.listed(Settings.from_env(), remove, events=events, stop=stop)
    print_answer(found.added, backbones_.lines(found))


@command(("hangtag models calibrate mine --data images/", ""))
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "--data",
    required=True,
    metavar="fashion-mnist|DIR",
    help="Labelled images that the network has not learned from, best a few hundred or more.",
)
@quiet_option
@json_option
def calibrate(model: str, data: str) -> None:
    """Fit an imported version's confidence to labelled images.

    The result is a new version of the same files. It replaces the old one where that is in
    production, since both give the same labels.
    """
    from producer.cli.running import running_request
    from producer.trainer.import_model import calibrate as calibrated
    from producer.trainer.train import summary

    settings = Settings.from_env()
    with running_request() as (events, stop):
        trained = calibrated(settings, model, data, events=events, stop=stop)
    print_answer(trained, summary(settings, trained, columns_of(sys.stdout)))


@command(
    ("hangtag models export garments -o garments/", "the version in production"),
    ("python garments/classify.py photo.jpg", "without Hangtag"),
)
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR",
    help="Write the files to this folder.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace existing files.")
@quiet_option
@json_option
def export(model: str, folder: Path, force: bool) -> None:
    """Write a version for use without Hangtag.

    The folder has the networks, the labels, the preprocessing as JSON, and a short script of
    Python that gives the same labels: classify.py.
    """
    from producer.trainer import export as export_
    from producer.versions.catalog import Catalog
    from shared.messages.model_name import parse

    catalog = Catalog(Settings.from_env())
    card = catalog.version(parse(model)).card
    exported = export_.export(catalog, card, folder, force)
    print_answer(exported, export_.lines(exported, card))
