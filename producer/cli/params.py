"""Parameter types of the commands: numbers of workers, and values that are parsed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import click

#: More than any machine has cores; a larger number is a typing error.
CHILDREN_MAX = 1024
#: The default number of worker processes.
PER_CORE = "one per core, or fewer if the container's memory limit does not allow that"
FORM = "N|auto|auto:LOW-HIGH"
HELP = (
    "Worker processes: N is a fixed number; auto scales with the backlog from 1 to one per core, "
    f"auto:2-8 from 2 to 8, auto:0-8 down to none without a job. Default: as before, or {PER_CORE}."
)
_FORM = re.compile(r"(\d{1,6})|auto(?::(\d{1,6})-(\d{1,6}))?", re.ASCII)


class Wanted(NamedTuple):
    """The number of worker processes; both None leaves it unchanged."""

    most: int | None = None  #: None with a floor: one per core
    floor: int | None = None  #: None: no scaling, always `most`


class WorkersParam(click.ParamType[Wanted]):
    """A number of workers, or a range for autoscaling."""

    name = FORM

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Wanted:
        """Parse FORM; exit with code 2 for other values."""
        if isinstance(value, Wanted):
            return value
        match = _FORM.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is neither a number nor auto nor auto:LOW-HIGH", param, ctx)
        number, low, high = (None if group is None else int(group) for group in match.groups())
        most = high if number is None else number
        if most is None:
            return Wanted(floor=1)
        if not 1 <= most <= CHILDREN_MAX or (low or 0) > most:
            self.fail(f"{value!r} is not within 1 to {CHILDREN_MAX}, low before high", param, ctx)
        return Wanted(most, low)


class Parsed(click.ParamType[Any]):
    """A value that a function makes of what is typed; it raises ValueError."""

    def __init__(self, name: str, parse: Callable[[Any], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class NumbersParam(click.ParamType[tuple[float, ...]]):
    """Numbers with commas between them."""

    name = "N,N,N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Exit with code 2 for anything else."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if not numbers or not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r} is not a list of numbers such as 0.485,0.456,0.406", param, ctx)
        return numbers
