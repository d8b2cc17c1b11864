"""`hangtag demo`: labelled images through the whole system, and what to try next.

Every command is run and displayed as a user would type it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import click
import msgspec

from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import JobState, read_snapshot
from producer.machine import commands
from producer.pages.page import Kind, is_page
from producer.present.formatting import show_json, typed
from producer.sources.job_sources import JobSources
from producer.table.table_file import is_foreign
from shared.errors import SetupError, UsageError
from shared.installation import (
    DRAW_PACKAGES,
    OF_NETWORKS,
    TENSORFLOW_PACKAGES,
    WORKER_PACKAGES,
    absent,
    command,
    python_path,
)

ROWS_SHOWN = 5
#: The image that `predict` is tried with: the first of this class, by name.
_CLASS = "Bag"
#: For the recipe that it names.
_TRAINING = DRAW_PACKAGES | TENSORFLOW_PACKAGES


def demo(folder: Path, count: int | None, as_json: bool = False) -> int:
    """Write the images (only the first `count`, if given) below `folder`, classify them, and draw
    a page. Returns the exit code of the first command that failed, or 0. With `as_json` standard
    output has the files and the next commands, or the answer of the command that failed.

    Raises:
        UsageError: what an output would replace was not written by a demo.
        SetupError: a package that workers need is missing, or the images cannot be written.
    """
    commands.check_installed()
    images, table = folder / "images", folder / "results.csv"
    again = ["--restart"] if is_again(folder) else []
    _make_images(images, count, as_json)
    steps = (
        ["classify", str(images), "-o", str(table), *again],
        ["report", str(table)],
    )
    answers = []
    for step in steps:
        if as_json:
            done = _run([*step, "--json"], subprocess.PIPE)
            answers.append(done.stdout)
        else:
            click.echo(f"\n$ {typed([program(), *step])}")
            done = _run(step)
        if done.returncode:
            click.echo(b"".join(answers[-1:]), nl=False)
            return done.returncode
        if step is steps[0] and not as_json:
            _show_rows(table)
    if as_json:
        page = folder / "results.html"
        show_json(DemoFiles(str(images), str(table), str(page), next_commands(folder)))
    else:
        _show_next(folder)
    return 0


class DemoFiles(msgspec.Struct, frozen=True):
    """What a demo has written, and commands to try next, as words."""

    images: str
    table: str
    page: str
    next: list[list[str]]


def _run(step: list[str], stdout: int | None = None) -> subprocess.CompletedProcess[bytes]:
    # -P: not a module of that name in the current folder.
    words = [sys.executable, "-P", "-m", "producer.cli", *step]
    return subprocess.run(words, env=_environment(), stdout=stdout)


def _show_next(folder: Path) -> None:
    click.echo("\ntry next:")
    for arguments in next_commands(folder):
        click.echo(f"  {typed([program(), *arguments])}")
    if lacking := absent(_TRAINING):
        names = [_TRAINING[package] for package in lacking]
        click.echo(f"to train a model like this one, first run:\n  {command(OF_NETWORKS, names)}")


def is_again(folder: Path) -> bool:
    """Whether an earlier demo has a job in the folder, which this one replaces.

    Raises:
        UsageError: another job, or a file that no demo has written, is at the place of an output.
        SetupError: what is there cannot be read.
    """
    table, page = folder.absolute() / "results.csv", folder / "results.html"
    view = read_snapshot(table)
    if view is None:
        foreign = os.path.lexists(table)
    else:
        foreign = view.state is JobState.UNREADABLE or not _is_own(table, folder / "images")
    if foreign:
        raise UsageError(_not_replaced(folder / "results.csv"))
    if os.path.lexists(page) and not is_page(page, Kind.REPORT):
        raise UsageError(_not_replaced(page))
    return view is not None


def _is_own(table: Path, images: Path) -> bool:
    """Whether the table's job has these images only, and has written the table."""
    with SealedJournal(table, or_running=True, check=False) as journal:
        sources = JobSources(journal.options)
        paths = [os.path.normpath(each.place) for each in sources.local_arguments()]
        return paths == [os.path.abspath(os.fsencode(images))] and not is_foreign(journal, table)


def _not_replaced(path: Path) -> str:
    return (
        f"no demo has written what is at {path}, and it is not replaced; move it away, or name "
        "another folder: hangtag demo FOLDER"
    )


def next_commands(folder: Path) -> list[list[str]]:
    """Four commands that work after the demo, with the packages that are installed."""
    images, table = folder / "images", str(folder / "results.csv")
    image = min((images / _CLASS).glob("*.png"), default=images)
    predict, less = ["predict", str(image)], ["table", table, "--accept", "95%"]
    if absent(_TRAINING | WORKER_PACKAGES):
        return [predict, less, ["verify", table], ["status"]]
    train = ["train", "--data", str(images), "--name", "garments"]
    return [
        [*predict, "--plot", str(folder / "prediction.png"), "--force"],
        less,
        [*train, "--recipe", "fast", "--epochs", "2"],
        ["models", "list"],
    ]


def program() -> str:
    """This installation's `hangtag` as a user can type it in the current folder."""
    script = Path(sys.executable).with_name("hangtag")
    on_path = shutil.which("hangtag")
    if on_path is not None and os.path.realpath(on_path) == os.path.realpath(script):
        return "hangtag"
    return os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script)


def _make_images(images: Path, count: int | None, as_json: bool) -> None:
    wanted = [] if count is None else ["--count", str(count)]
    program = [sys.executable, "-P", "-m", "worker.datasets.demo", str(images), *wanted]
    stdout = subprocess.DEVNULL if as_json else None
    if subprocess.run(program, env=_environment(), stdout=stdout).returncode:
        raise SetupError(f"the images cannot be written to {images}; name another folder")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": python_path()}


def _show_rows(table: Path) -> None:
    click.echo(f"\n$ head -{ROWS_SHOWN + 1} {typed([str(table)])}")
    with table.open(encoding="utf-8") as lines:
        click.echo("".join(islice(lines, ROWS_SHOWN + 1)), nl=False)
