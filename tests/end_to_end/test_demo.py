"""`hangtag demo` classifies images, draws a page, and names four commands that work here."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer import demo
from shared.errors import Exit
from shared.installation import TENSORFLOW_PACKAGES
from tests.support.processes import in_process, local_stack
from tests.support.processes.fleet import PRODUCT_PROGRAM, ROOT, Producer
from tests.support.processes.in_process import Done
from tests.support.processes.local_stack import Place

pytestmark = pytest.mark.started

IMAGES = 100


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    for new in local_stack.new():
        new.request_one_process()
        yield new


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def shown(place: Place, here: Path) -> list[str]:
    """What the demo prints on standard output."""
    return run(place, here)


def run(place: Place, here: Path) -> list[str]:
    """What a demo prints on standard output, with that of the commands that it starts."""
    env = {**environment(place, here), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("demo", "--count", str(IMAGES))
        done = Producer(arguments, here, env, Path(folder, "streams"), PRODUCT_PROGRAM)
        assert done.wait() == Exit.OK, done.story
        return done.out.splitlines()


def works(place: Place, here: Path, arguments: list[str]) -> Done:
    done = in_process.run_with(environment(place, here), *arguments, cwd=here)
    assert done.code == Exit.OK, done.story
    return done


def environment(place: Place, here: Path) -> dict[str, str]:
    return {**os.environ, **place.environment, "XDG_STATE_HOME": str(here)}


def proposed(shown: list[str]) -> list[list[str]]:
    """The arguments of the commands to try next."""
    return [shlex.split(line)[1:] for line in shown[shown.index("try next:") + 1 :]]


def test_the_table_and_the_page_are_there(shown: list[str], here: Path) -> None:
    rows = (here / "demo/results.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == IMAGES + 1
    start = next(i for i, line in enumerate(shown) if line.startswith("$ head"))
    assert shown[start + 1 : start + 7] == rows[:6]  # the header and five rows
    page = (here / "demo/results.html").read_text(encoding="utf-8")
    assert page.count("<img") >= 10


def test_four_commands_are_named_and_each_of_them_works(
    shown: list[str], place: Place, here: Path
) -> None:
    """In the environment of the tests, which has all packages."""
    commands = proposed(shown)
    assert len(commands) == 4
    assert "train" in [words[0] for words in commands]
    for words in commands:
        done = works(place, here, words)
    assert (here / "demo/prediction.png").stat().st_size > 1000
    assert "garments@1" in done.out


@pytest.mark.nightly
def test_without_training_packages_other_commands_are_named_and_work(
    shown: list[str], place: Place, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "absent", lambda packages: sorted(set(packages) & {"tensorflow"}))
    assert "tensorflow" in TENSORFLOW_PACKAGES
    monkeypatch.chdir(here)
    commands = demo.next_commands(Path("demo"))
    assert len(commands) == 4
    assert {words[0] for words in commands} & {"train", "dataset"} == set()
    for words in commands:
        works(place, here, words)
