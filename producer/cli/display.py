"""The options that only display answers, shared by the commands that write tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from producer.cli.params import ShareParam

F = TypeVar("F", bound=Callable[..., Any])


class AcceptParam(click.ParamType[Any]):
    """A precision in percent, or `all`."""

    name = "90|95|98|99%|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The precision as a share; `all` as it is."""
        from producer.rendering.display_options import parse_accept

        try:
            return value if isinstance(value, float) else parse_accept(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ColumnsParam(click.ParamType[Any]):
    """Names of columns with commas between them, or `all`."""

    name = "NAME,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from producer.rendering.display_options import parse_columns

        try:
            return value if isinstance(value, tuple) else parse_columns(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def display_options(command: F) -> F:
    """Add the options that `make_display` reads."""
    for option in reversed(
        (
            click.option("--accept", type=AcceptParam(), default=None, metavar=AcceptParam.name,
                         help="Label rows unknown whose confidence is too low for this precision; "
                         "the column guess has the model's label. all: no threshold."),
            click.option("--min-confidence", type=ShareParam(), default=None,
                         help="The same with one confidence for all labels."),
            click.option("--columns", type=ColumnsParam(), default=None,
                         help="These columns after the path, in this order. all: the default."),
            click.option("--top-k", type=click.IntRange(1, 1000), default=None,
                         help="Add columns label_2, confidence_2, ... up to K."),
            click.option("--probabilities/--no-probabilities", default=None,
                         help="Add a column p_LABEL for each label."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def make_display(given: dict[str, Any]) -> Any:
    """The display options of a command line. Raises UsageError if two contradict each other."""
    from producer.rendering.display_options import (
        ALL_CORRECTIONS,
        DisplayOptions,
        threshold_of,
    )

    threshold = threshold_of(given["accept"], given["min_confidence"])
    corrections = None  # classify keeps those of the table
    if (wanted := given.get("corrections")) is not None:
        corrections = ALL_CORRECTIONS if wanted else 0
    return DisplayOptions(
        threshold, given["top_k"], given["probabilities"], given["columns"], corrections
    )
