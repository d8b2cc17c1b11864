"""Parameter types of the commands: numbers of workers, error budgets, seconds, shares."""

from __future__ import annotations

import math
import re
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


class BudgetParam(click.ParamType[Any]):
    """`N` or `P%`."""

    name = "N|P%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from producer.inputs.error_budget import parse_budget

        try:
            return parse_budget(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SecondsParam(click.FloatRange):
    """A number of seconds, more than 0. NaN compares with no limit, so a range alone allows it."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


class TextParam(click.ParamType[str]):
    """Text that can be stored: an argument's bytes may have another encoding."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r:.80} is not UTF-8; type it in that encoding", param, ctx)
        return text


class ShareParam(click.ParamType[Any]):
    """A share from 0 to 1, or `P%`."""

    name = "SHARE|P%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, float):
            return value
        text, scale = (value[:-1], 100.0) if value.endswith("%") else (value, 1.0)
        try:
            share = float(text) / scale
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is neither a share from 0 to 1 nor a percentage", param, ctx)
        return share


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
