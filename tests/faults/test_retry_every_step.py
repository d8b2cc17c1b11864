"""The producer dies at each step of repeating failed rows, one test a step."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.verify import verify
from shared.exits import Exit
from tests import gallery
from tests.breakage import mend, spoil
from tests.fleet import SHORT_TIMES, Fleet
from tests.gallery import FOLDER, Gallery
from tests.server import RedisServer, server_binaries
from tests.stage import Stage

PICTURES = 120
#: Small messages, so that each step is passed several times.
SMALL = {"HANGTAG_BATCH_IMAGES": "8"}
BROKEN = range(0, PICTURES, 3)
PROGRAM = "tests.faults.mortal_producer"
#: At which step, at which time that it is passed.
STEPS = [
    ("before", "commit", 1),
    ("after", "commit", 1),
    ("before", "hint", 2),
    ("after", "hint", 2),
    ("before", "commit", 2),
    ("after", "commit", 2),
    ("before", "trim", 1),
    ("after", "trim", 1),
    ("after", "commit", 3),
    ("before", "write", 1),
    ("after", "write", 1),
    ("after", "leave", 1),
    ("after", "finish", 1),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), PICTURES)


@pytest.fixture
def pictures(drawn: Gallery, tmp_path: Path) -> Gallery:
    """Pictures of this test alone, which it may break and mend."""
    shutil.copytree(drawn.cwd / FOLDER, tmp_path / FOLDER)
    return drawn._replace(cwd=tmp_path)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """One worker and one server live through all of this file."""
    with RedisServer(server_binaries()[0]) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.mark.parametrize(("when", "point", "nth"), STEPS)
def test_a_producer_that_dies_while_it_repeats_is_continued(
    stage: Stage, when: str, point: str, nth: int
) -> None:
    broken = spoil(stage, BROKEN)
    assert stage.classify(**SMALL).wait() == Exit.SOME_FAILED
    mend(stage, broken)
    old = stage.output.read_bytes()
    mortal = stage.classify(
        "--retry-failed", program=(PROGRAM, when, point, str(nth), "0"), **SMALL
    )
    assert mortal.wait() == -signal.SIGKILL, f"it never came to that step\n{mortal.story}"
    if (when, point) not in (("after", "write"), ("after", "leave"), ("after", "finish")):
        assert stage.output.read_bytes() == old
    stage.check_finished(stage.classify("--retry-failed", **SMALL))
    assert verify(stage.output, deep=True).proven
