"""The review page of a table whose version has learned from people, in a real Chromium."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, expect

from producer.journal.journal import Journal, journal_path
from shared.labels import labels_file
from shared.labels.label_line import LabelLine
from shared.labels.submitted_lines import encode_lines
from shared.messages.model_card import encode_card
from shared.registry import learned_lines, packaged
from shared.registry.registry import Registry
from tests.browser.test_review_page import press
from tests.support.images.drawn_folders import draw
from tests.support.jobs.decided import correct, line_of, lines_in
from tests.support.jobs.finished_job import finish, options_of
from tests.support.pages.visit import opened
from tests.support.processes.review_server import Review


def test_what_the_version_has_learned_is_not_counted_and_no_excluded_label_is_confirmed(
    browser: Browser, tmp_path: Path
) -> None:
    """The table has one label for each image, so none is left where that is excluded."""
    draw(tmp_path / "shapes", (5, 8), 2)
    finish(options_of(tmp_path, b"shapes"))
    table = tmp_path / "out.csv"
    with table.open(newline="") as file:
        learned, excluded, *_ = csv.DictReader(file)
    files = [
        line_of((tmp_path / learned["path"]).read_bytes(), learned["label"], at="2026"),
        line_of(
            (tmp_path / excluded["path"]).read_bytes(),
            excluded["label"],
            at="2026",
            kind="not-this",
        ),
    ]
    version_of(table, tmp_path / "store", files)
    log = labels_file.of_table(table)
    correct(table, (tmp_path / learned["path"]).read_bytes(), learned["label"], 1)
    without = (tmp_path / excluded["path"]).read_bytes()
    correct(table, without, excluded["label"], 2, kind="not-this")
    before = lines_in(log)
    review = Review(table, HANGTAG_STORE=str(tmp_path / "store"), HANGTAG_REDIS_URL="")
    try:
        with opened(browser, review) as page:
            page.locator("#kinds button").last.click()
            totals = page.locator("#totals")
            expect(totals).to_contain_text("1 decided, 1 learned by the version, not counted.")
            tile = page.locator(".tile").nth(1)
            expect(tile).to_contain_text("no label left")
            expect(tile).to_contain_text(f"not {excluded['label']}")
            tile.focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
            expect(page.locator("#saved")).to_contain_text("no label is left to confirm")
            press(page, ["ArrowRight", "Enter"])
            expect(totals).to_contain_text(
                "2 decided, 1 learned by the version, not counted: 100.0%"
            )
            (line,) = lines_in(log)[len(before) :]
            assert line.rows == (3,)
    finally:
        review.end()


def version_of(table: Path, store: Path, files: Sequence[LabelLine]) -> None:
    """Publish a version that has learned these files, and let the table be one of it."""
    known = {name: packaged.read(name) for name in packaged.card().files}
    record = encode_lines(files)
    card = msgspec.structs.replace(packaged.card(), name="mine", version=0)
    card = Registry(store).publish(card, known | {learned_lines.FILE: record}, who="tester")
    with closing(Journal(journal_path(table))) as journal:
        journal.put(card=encode_card(card))
