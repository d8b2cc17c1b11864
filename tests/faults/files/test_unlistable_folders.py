"""Folders without read permission: their files are never skipped silently."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.machine.unlistable_folders import obeying
from tests.support.processes.fleet import BATCH_IMAGES, Producer

IMAGES = 20 * BATCH_IMAGES


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("some"), IMAGES)


@pytest.fixture
def images(drawn: Gallery, tmp_path: Path) -> Iterator[Gallery]:
    """Images for this test only, which changes the permissions of their folders."""
    shutil.copytree(drawn.cwd / FOLDER, tmp_path / FOLDER)
    yield drawn._replace(cwd=tmp_path)
    for folder in (tmp_path / FOLDER, *folders(tmp_path)):
        folder.chmod(0o755)


def folders(cwd: Path) -> list[Path]:
    """The folders with images, in the order of the walk."""
    return sorted(path for path in (cwd / FOLDER).iterdir() if path.is_dir())


def classify(stage: Scenario, *options: str) -> Producer:
    with stage.fleet.at(obeying, {}):
        return stage.classify(*options)


def summary(stage: Scenario, *options: str) -> Any:
    """The summary of a command that ends with unlisted folders."""
    command = classify(stage, "--json", *options)
    assert command.wait() == Exit.SOME_FAILED, command.story
    return msgspec.json.decode(command.out)


def names(table: Path) -> list[str]:
    return [row.partition(",")[0] for row in table.read_text().splitlines()[1:]]


def test_an_unlistable_folder_is_named_until_a_restart_includes_it(
    stage: Scenario,
) -> None:
    worker = stage.fleet.worker()
    closed = folders(stage.gallery.cwd)[3]
    closed.chmod(0)
    first = classify(stage)
    assert first.wait() == Exit.SOME_FAILED, first.story
    message = (
        f"not complete: 1 folder could not be listed: {FOLDER}/{closed.name} (Permission denied)"
    )
    assert message in first.log
    below = f"{FOLDER}/{closed.name}/"
    assert names(stage.output) == [p for p in stage.gallery.paths if not p.startswith(below)]
    with stage.fleet.at(obeying, {}):
        verify = stage.hangtag("verify", str(stage.output))
    assert verify.wait() == Exit.NOT_PROVEN, verify.story
    assert verify.out.startswith(f"{FOLDER}/{closed.name}: cannot be listed (Permission denied)")
    closed.chmod(0o755)  # no later run lists it again
    for options in ((), ("--retry-failed",)):
        again = summary(stage, *options)
        assert (again["unlisted"]["count"], again["failed"]) == (1, 0)
        assert again["unlisted"]["first"] == f"{FOLDER}/{closed.name} (Permission denied)"
    stage.check_finished(classify(stage, "--restart"))
    assert stage.hangtag("verify", str(stage.output)).wait() == Exit.OK
    stage.check_nothing_runs(worker)


def test_a_resumed_job_counts_each_folder_that_was_skipped_before_once(
    stage: Scenario,
) -> None:
    some = folders(stage.gallery.cwd)
    for folder in (some[0], some[-1]):
        folder.chmod(0)
    late = classify(stage, "--timeout", "4")
    assert late.wait() == Exit.INTERRUPTED, late.story
    assert late.view is not None
    assert 0 < late.view.images < IMAGES / 2, "the walk reached the last folder"
    assert late.view.unlisted.count == 1
    some[0].chmod(0o755)
    worker = stage.fleet.worker()
    found = summary(stage)
    assert found["unlisted"]["count"] == 2
    assert found["unlisted"]["first"].startswith(f"{FOLDER}/{some[0].name} ")
    assert summary(stage)["unlisted"] == found["unlisted"]
    stage.check_nothing_runs(worker)


def test_an_unlistable_folder_argument_is_one_line_and_no_job_starts(
    stage: Scenario,
) -> None:
    (stage.gallery.cwd / FOLDER).chmod(0)
    for detach in ((), ("--detach",)):
        with stage.fleet.at(obeying, {}):
            refused = stage.hangtag("classify", *detach, FOLDER, "-o", str(stage.output))
        assert refused.wait() == Exit.SETUP, refused.story
        (line,) = refused.log.splitlines()
        assert f"{FOLDER} cannot be listed (Permission denied)" in line
    assert sorted(os.listdir(stage.folder)) == [FOLDER]


def test_an_argument_that_becomes_unlistable_stops_the_job_which_resumes_later(
    stage: Scenario,
) -> None:
    last = f"{FOLDER}/{folders(stage.gallery.cwd)[-1].name}"
    typed = [f"{FOLDER}/{folder.name}" for folder in folders(stage.gallery.cwd)]
    command = ("classify", *typed, "-o", str(stage.output))
    with stage.fleet.at(obeying, {}):
        producer = stage.fleet.producer(*command, cwd=stage.gallery.cwd)
        producer.wait_until_sent()  # one window at most, without workers
    (stage.gallery.cwd / last).chmod(0)
    worker = stage.fleet.worker()
    assert producer.wait() == Exit.SETUP, producer.story
    assert f"{last} cannot be listed (Permission denied)" in producer.log
    assert not stage.output.exists()
    (stage.gallery.cwd / last).chmod(0o755)
    stage.check_finished(stage.fleet.producer(*command, cwd=stage.gallery.cwd))
    stage.check_nothing_runs(worker)
