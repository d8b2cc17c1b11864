"""A table is the old one or the new one, and its job's, wherever its process is killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from shared import failpoints
from shared.atomic_file import DRAFT_SUFFIX
from shared.errors import Exit
from tests.support.jobs.finished_job import finish, options_of

_DONE, _KILLED = 0, 9


def passages(work: Callable[[], object]) -> list[str]:
    """The failpoints that some work passes."""
    names: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "_on_pass", names.append)
        work()
    return names


def killed_at(work: Callable[[], object], nth: int) -> bool:
    """Run some work in a process that ends at its n-th failpoint; whether it was reached."""
    child = os.fork()
    if not child:
        left = iter(range(nth))
        failpoints.watch(lambda name: None if next(left, None) is not None else os._exit(_KILLED))
        try:
            work()
        finally:
            os._exit(_DONE)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _KILLED


def plant(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for n in range(10):
        (folder / f"photos/{n}.png").write_bytes(bytes([n]) * 9)
    return folder / "out.csv"


def run(*arguments: str) -> None:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == 0, result.output


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return plant(tmp_path)


def test_of_two_copies_at_once_to_the_same_file_the_second_is_refused(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would remove what the first one has written, or be placed half-written."""
    finish(options_of(table.parent, b"photos"))
    copy = table.with_name("copy.csv")
    command = ["table", str(table), "-o", str(copy), "--force"]
    second: list[Result] = []

    def at(name: str) -> None:
        if name == "table.written" and not second:
            second.append(CliRunner().invoke(hangtag, [*command, "--columns", "label"]))

    monkeypatch.setattr(failpoints, "_on_pass", at)
    run(*command)
    assert copy.read_bytes() == table.read_bytes()
    (result,) = second
    assert result.exit_code == Exit.USAGE, result.output
    assert f"another command is writing {copy}" in result.stderr
    assert not Path(f"{copy}{DRAFT_SUFFIX}").exists()
