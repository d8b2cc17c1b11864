"""The command that shows the whole system: demo."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.option_lists import Command, seldom_option
from producer.cli.options import json_option


@click.command(
    cls=Command,
    epilog=examples(
        ("hangtag demo", "into the folder demo, about 40 MB"),
        ("hangtag demo /tmp/demo --count 500", "elsewhere, with fewer images"),
    ),
)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("demo"), metavar="[FOLDER]")
@seldom_option("--count", type=click.IntRange(1), metavar="N", help="Only the first N images.")
@json_option
def demo(folder: Path, count: int | None, as_json: bool) -> None:
    """Classify 10,000 test images here, and name what to try.

    They are the test images of Fashion-MNIST, from this machine or downloaded; without them, 1,000
    drawings. FOLDER gets the images, the table and a page about it.
    """
    from producer.demo import demo as run_demo

    sys.exit(run_demo(folder, count, as_json))


COMMANDS = (demo,)
