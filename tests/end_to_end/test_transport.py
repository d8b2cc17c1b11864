"""On this machine's stack workers open files: the same table, and the server gets no image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.stack import stack
from producer.verify.verify import verify
from shared.broker.runtime_paths import log_path
from shared.errors import Exit
from shared.messages.files import UNSEEN
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes import in_process, local_stack
from tests.support.processes.fleet import wait_for
from tests.support.processes.local_stack import Place

#: With fewer, the scripts and heartbeats would count more than the messages.
FEW = 1_000


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A folder without a stack; all processes started in it are ended afterwards."""
    yield from local_stack.new()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make_large(tmp_path_factory.mktemp("large"), 10 * gallery.NAMES)


@pytest.mark.parametrize(
    ("pictures", "options", "root"),
    [("few", ["--transport", "path"], ""), ("few", ["--transport", "path"], "IMAGES"),
     ("large", [], "")],
)  # fmt: skip
def test_workers_of_this_machine_open_the_files_themselves(
    place: Place,
    tmp_path: Path,
    pictures: str,
    options: list[str],
    root: str,
    request: pytest.FixtureRequest,
) -> None:
    """The commands' HANGTAG_ROOT has no effect here: it concerns workers of other machines."""
    found: Gallery = request.getfixturevalue(pictures)
    stack.up(place.settings, 1)
    wait_for("one child", lambda: place.children() == 1)
    output = tmp_path / "out.csv"
    env = {**os.environ, **place.environment}
    if root:
        env["HANGTAG_ROOT"] = str(found.cwd)
    command = ("classify", FOLDER, "-o", str(output), *options)
    before = _received(place)
    done = in_process.run_with(env, *command, cwd=found.cwd)
    assert done.code == Exit.OK, done.story
    assert output.read_bytes() == found.table
    sizes = sum((found.cwd / path).stat().st_size for path in found.paths)
    assert _received(place) - before < sizes / 2
    assert UNSEEN not in done.log
    assert UNSEEN not in log_path(place.settings).read_text()
    proof = verify(output, deep=True)
    assert proof.proven
    assert proof.unproven == []


def _received(place: Place) -> int:
    """The bytes that the server has received since its start."""
    with place.client() as client:
        return int(client.info("stats")["total_net_input_bytes"])
