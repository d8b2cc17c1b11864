"""The runtime folder is private, and no folder that others use is made private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from producer.machine import lock
from shared.broker.runtime_paths import (
    SUPERVISOR_LOCK,
    is_in_charge,
    private_stack_dir,
    stack_dir,
    stack_id,
)
from shared.errors import SetupError
from shared.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.parametrize("before", [0o1777, 0o1700])
def test_a_folder_with_the_sticky_bit_is_refused(folder: Path, before: int) -> None:
    """Such as /tmp: it is meant for several users."""
    folder.chmod(before)
    settings = Settings(runtime_dir=str(folder))
    with pytest.raises(SetupError, match=f"set HANGTAG_RUNTIME_DIR to .*{folder}/hangtag-"):
        private_stack_dir(settings)
    assert mode(folder) == before
    assert not stack_dir(settings).exists()


@pytest.mark.parametrize("before", [0o755, 0o711, 0o770, 0o722])
def test_a_folder_that_others_use_is_refused_if_it_has_other_content(
    folder: Path, before: int
) -> None:
    """Such as /run of root."""
    (folder / "lock").touch()
    folder.chmod(before)
    with pytest.raises(SetupError, match="set HANGTAG_RUNTIME_DIR to"):
        private_stack_dir(Settings(runtime_dir=str(folder)))
    assert mode(folder) == before


@pytest.mark.parametrize("before", [0o755, 0o777, 0o2777])
def test_a_folder_of_stacks_alone_is_made_private(folder: Path, before: int) -> None:
    settings = Settings(runtime_dir=str(folder))
    private_stack_dir(settings)
    folder.chmod(before)
    private_stack_dir(settings)
    assert mode(folder) & 0o777 == 0o700


def test_a_private_folder_may_hold_anything(folder: Path) -> None:
    (folder / "lock").touch()
    folder.chmod(0o700)
    assert private_stack_dir(Settings(runtime_dir=str(folder))).parent == folder


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    made = private_stack_dir(Settings(runtime_dir=str(tmp_path / "a/b")))
    assert mode(made) == mode(made.parent) == 0o700


def test_a_stack_is_in_charge_of_its_own_requests_and_of_those_of_one_that_has_ended(
    tmp_path: Path,
) -> None:
    """Also in a folder whose name is not UTF-8, and not where it cannot be read."""
    name = os.fsdecode(b"\xff:\n")
    ours, theirs = (
        Settings(runtime_dir=str(tmp_path / name / part), store=str(tmp_path)) for part in "ab"
    )
    stack = stack_id(theirs)
    assert stack.isprintable()
    assert is_in_charge(theirs, stack)
    assert is_in_charge(ours, stack)
    stack_dir(theirs).mkdir(parents=True)
    with lock.locked(stack_dir(theirs) / SUPERVISOR_LOCK, 0):
        assert is_in_charge(theirs, stack)
        assert not is_in_charge(ours, stack)
    for other in ("", "elsewhere:/tmp", f"{stack.partition(':')[0]}:/{'x' * 300}"):
        assert not is_in_charge(ours, other)
    broker = Settings(redis_url="redis://host:1")
    assert is_in_charge(broker, "")
