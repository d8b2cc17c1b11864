"""The options that say what the file of a foreign network does not say of its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from producer.cli.option_lists import seldom_option
from producer.cli.params import NumbersParam

F = TypeVar("F", bound=Callable[..., Any])


def network_options(scale: str) -> Callable[[F], F]:
    """Decorate a command with them; `scale` is the help of --scale."""
    options = (
        click.option(
            "--scale", type=click.Choice(("0-255", "0-1", "-1-1")), default=None, help=scale
        ),
        seldom_option(
            "--mean", type=NumbersParam(), default=(),
            help="Subtracted from each channel, as in 0.5,0.5,1.",
        ),
        seldom_option(
            "--std", type=NumbersParam(), default=(), help="Then divides each channel."
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
