"""Parameter types of the commands: numbers, parsed values, and names that a shell completes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.errors import HangtagError
from shared.settings import Settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


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
MODEL_FORM = "NAME[@VERSION|@ALIAS]"


def parse_workers(text: str) -> tuple[int | None, int | None]:
    """The most worker processes of FORM (None: one per core), and the least (None: always the
    most). Raises ValueError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is neither a number nor auto nor auto:LOW-HIGH")
    number, low, high = (None if group is None else int(group) for group in match.groups())
    most = high if number is None else number
    if most is None:
        return None, 1
    if not 1 <= most <= CHILDREN_MAX or (low or 0) > most:
        raise ValueError(f"{text!r} is not within 1 to {CHILDREN_MAX}, low before high")
    return most, low


def parse_numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them. Raises ValueError."""
    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{text!r} is not a list of numbers such as 0.485,0.456,0.406")
    return numbers


class Parsed(click.ParamType[Any]):
    """A value that a function makes of what is typed; it raises ValueError."""

    def __init__(self, name: str, parse: Callable[[Any], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Name(click.ParamType[str]):
    """A name that is passed on as it is typed, and that a shell completes: of a model, a job."""

    def __init__(
        self, name: str, known: Callable[[Settings, str], Iterable[tuple[str, str]]]
    ) -> None:
        """`known` returns names that may start with what is typed, and their help."""
        self.name, self._known = name, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that start with what is typed. A fault completes nothing: a shell would print
        its message into the command line."""
        from click.shell_completion import CompletionItem

        items: list[CompletionItem] = []
        with suppress(HangtagError, OSError):
            for name, about in self._known(Settings.from_env(), incomplete):
                if name.startswith(incomplete):
                    items.append(CompletionItem(name, help=about or None))
        if not items and self is JOB:  # it may be a table
            return [CompletionItem(incomplete, type="file")]
        return items


def _models(settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
    """Models; after the @ versions and aliases."""
    from producer.versions.catalog import Catalog

    versions = Catalog(settings).versions()
    if "@" not in incomplete:
        yield from dict.fromkeys((version.card.name, "") for version in versions)
        return
    for version in versions:
        card = version.card
        yield from (
            (f"{card.name}@{alias}", f"version {card.version}") for alias in version.aliases
        )
        yield card.ref, card.recipe


def _recipes(settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
    from shared.recipes import RECIPES

    return ((recipe, "") for recipe in RECIPES)


def _jobs(settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
    from producer.job.job_index import entries

    return ((entry.id, Path(entry.output).name) for entry in reversed(entries()))


def _requests(settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
    from producer.trainer.existing import open_requests

    return ((request.request, request.title) for request in open_requests(settings))


MODEL = Name(MODEL_FORM, _models)
MODEL_NAME = Name("NAME", lambda settings, _: _models(settings, ""))
RECIPE, JOB, REQUEST = Name("RECIPE", _recipes), Name("JOB", _jobs), Name("ID", _requests)
