"""Parameter types for names that a shell completes: models, recipes, jobs, requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.errors import HangtagError
from shared.settings import Settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MODEL_FORM = "NAME[@VERSION|@ALIAS]"


class Name(click.ParamType[str], ABC):
    """A name that is passed on as it is typed. Subclasses yield what it may be, with its help."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    @abstractmethod
    def known(self, settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
        """Names and their help."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that start with what is typed. A fault completes nothing: a shell would print
        its message into the command line."""
        from click.shell_completion import CompletionItem

        items: list[CompletionItem] = []
        with suppress(HangtagError, OSError):
            for name, about in self.known(Settings.from_env(), incomplete):
                if name.startswith(incomplete):
                    items.append(CompletionItem(name, help=about or None))
        return items


class ModelParam(Name):
    """A model; after the @ its versions and aliases."""

    name = MODEL_FORM

    def known(self, settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
        from producer.models.load_catalog import load_catalog

        for model in load_catalog(settings).models:
            if "@" not in incomplete:
                yield model.name, ""
                continue
            for alias, number in sorted(model.aliases.items()):
                yield f"{model.name}@{alias}", f"version {number}"
            for version in model.versions:
                yield version.card.ref, version.card.recipe


class ModelNameParam(Name):
    """A model without a version."""

    name = "NAME"

    def known(self, settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
        from producer.models.load_catalog import load_catalog

        yield from ((model.name, "") for model in load_catalog(settings).models)


class RecipeParam(Name):
    """A recipe."""

    name = "RECIPE"

    def known(self, settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
        from shared.recipes import RECIPES

        yield from ((recipe, "") for recipe in RECIPES)


class JobParam(Name):
    """A job: its id, or the path of its table."""

    name = "JOB"

    def known(self, settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
        from producer.journal.job_index import entries

        for entry in reversed(entries()):
            yield entry.id, Path(entry.output).name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The ids of jobs; files where no id starts like this."""
        from click.shell_completion import CompletionItem

        items = super().shell_complete(ctx, param, incomplete)
        return items or [CompletionItem(incomplete, type="file")]


class RequestParam(Name):
    """An open request."""

    name = "ID"

    def known(self, settings: Settings, incomplete: str) -> Iterator[tuple[str, str]]:
        from producer.requests.open_requests import open_requests

        yield from ((request.request, request.title) for request in open_requests(settings))


MODEL, MODEL_NAME, RECIPE = ModelParam(), ModelNameParam(), RecipeParam()
JOB, REQUEST = JobParam(), RequestParam()
