"""The commands by what they are about. Each is imported when it is first needed, so that every
command starts fast, and the list of all imports none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_CLI = "producer.cli."


class Listed(NamedTuple):
    """A command in the list of commands. Its module has it by this name."""

    name: str
    module: str  #: below producer.cli
    line: str  #: also the first line of the command's own help


#: Heading -> its commands, in the order in which they are listed.
GROUPS = {
    "Classify": (
        Listed("classify", "jobs", "Classify the images of folders into a table."),
        Listed("predict", "jobs", "Classify a few images and print their labels."),
    ),
    "Results": (
        Listed("table", "results", "Render a table again: other thresholds or columns."),
        Listed("report", "results", "Write a page on a table: figures, pictures, failures."),
        Listed("compare", "results", "Compare two tables over the same images."),
        Listed("sort", "results", "Put images into a folder for each label, or back."),
        Listed("verify", "results", "Prove that a table is complete and unchanged."),
        Listed("review", "local_pages", "Confirm and correct labels on a local page."),
    ),
    "Train": (
        Listed("label", "local_pages", "Give first labels to unsorted images on a local page."),
        Listed("train", "train", "Train a version of a model and follow the training."),
        Listed("dataset", "dataset", "Show a data set, or search it for mistakes."),
        Listed("backbones", "networks", "Add, list, remove networks that photos use."),
        Listed("models", "models", "List, use, compare, import, export, delete versions."),
    ),
    "Jobs": (
        Listed("status", "jobs", "List all jobs and open requests, or show one job."),
        Listed("cancel", "jobs", "Stop a job, which classify resumes, or a request."),
        Listed("forget", "jobs", "Remove a job and its journal; its table stays."),
    ),
    "Workers": (
        Listed("up", "machine", "Start this machine's stack, or change its workers."),
        Listed("down", "machine", "Stop this machine's stack, unless jobs run on it."),
        Listed("worker", "machine", "Run a worker for a shared Redis in the foreground."),
        Listed("workers", "machine", "List live workers, their models and throughput."),
        Listed("metrics", "machine", "Serve Prometheus metrics in the foreground."),
    ),
    "This installation": (
        Listed("demo", "machine", "Classify 10,000 test images here, and name what to try."),
        Listed("doctor", "machine", "Check packages, broker, workers, disk and models."),
        Listed("completion", "machine", "Print the completion script of a shell."),
    ),
}  # fmt: skip
_MODULES = {entry.name: entry.module for group in GROUPS.values() for entry in group}
#: The modules of words of 0.2.0, which no list has; until 0.4.
_OLD = {"submit": "jobs", "collect": "jobs"}


class LazyCommands(Mapping[str, click.Command]):
    """Every command by its name, imported when it is read."""

    def __getitem__(self, name: str) -> click.Command:
        command: click.Command = getattr(import_module(_CLI + (_MODULES | _OLD)[name]), name)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class GroupedCommands(click.Group):
    """A group that lists its commands under the headings of GROUPS."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]
        self.commands = LazyCommands()  # type: ignore[assignment]  # none is added

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of GROUPS."""
        return list(self.commands)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that start with what is typed, and the options."""
        from click.shell_completion import CompletionItem

        listed = [
            CompletionItem(entry.name, help=entry.line)
            for entries in GROUPS.values()
            for entry in entries
            if entry.name.startswith(incomplete)
        ]
        return listed + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every heading with its commands."""
        width = max(map(len, self.commands))
        for heading, entries in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(entry.name.ljust(width), entry.line) for entry in entries])
