"""One real Chromium for all tests of pages."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, expect, sync_playwright

from producer.cli.main import hangtag
from producer.job.folder_labels import FolderLabels
from producer.job.row_batch import Row
from producer.job.sealed_journal import SealedJournal
from producer.pages.paired_rows import rows
from shared.errors import Exit
from tests.support.jobs import planted_journal
from tests.support.pages import planted_check
from tests.support.pages.label_tab import IMAGES
from tests.support.pages.planted import LABELS, plant
from tests.support.pages.planted_folder import PlantedFolder
from tests.support.pages.planted_folder import plant as plant_photos
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: No sandbox: root may not use it, and the pages are our own. No network but this machine.
#: One process for all tabs, since one for each address takes 0.2 s of a core to start.
ARGUMENTS = [
    "--no-sandbox",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not on this machine")
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def hand(server_binary: Path) -> Iterator[Hand]:
    with RedisServer(server_binary) as server:
        hand = Hand(server)
        hand.live()
        yield hand


@pytest.fixture(scope="module")
def fleet(hand: Hand) -> Iterator[Fleet]:
    with Fleet(hand.server) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> PlantedFolder:
    return plant_photos(tmp_path_factory.mktemp("label") / "photos", IMAGES, copies=1)


@pytest.fixture(scope="module")
def server(fleet: Fleet, hand: Hand, folder: PlantedFolder) -> Iterator[Label]:
    """For each test that does not end it."""
    running = Label(fleet, hand, folder)
    yield running
    running.end(signal.SIGKILL)


@pytest.fixture
def label(server: Label) -> Label:
    """The server, after every decision of an earlier test has been taken back."""
    server.decide(*({"item": stack} for stack in range(IMAGES)))
    return server


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on a table with everything that a report can have."""
    table = plant(tmp_path_factory.mktemp("report"))
    return _page(["report", str(table)], table.with_suffix(".html"))


@pytest.fixture(scope="session")
def model_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the packaged version."""
    page = tmp_path_factory.mktemp("model") / "model.html"
    return _page(["models", "report", "fashion-mnist@0", "-o", str(page)], page)


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison of that table with another one, which is right in half of the rows."""
    table = plant(tmp_path_factory.mktemp("comparison"))
    with SealedJournal(table) as sealed:
        answers = [_other(row) for _, row in rows(sealed)]
    other = planted_journal.plant(table.with_name("other.csv"), answers)
    page = table.with_name("compare.html")
    return _page(["compare", str(table), str(other), "-o", str(page)], page)


@pytest.fixture(scope="session")
def check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a dataset check."""
    return planted_check.plant(tmp_path_factory.mktemp("check")).page


def _other(row: Row) -> planted_journal.Answer:
    if row.has_failed:
        return row.name, None, 0.0
    truth = FolderLabels(LABELS).label_of(row.name)
    label = row.label if row.number % 2 or truth is None else truth
    return row.name, (label + (row.number % 35 == 0)) % len(LABELS), row.confidence


def _page(command: list[str], page: Path) -> Path:
    result = CliRunner().invoke(hangtag, command)
    assert result.exit_code == Exit.OK, result.output
    return page
