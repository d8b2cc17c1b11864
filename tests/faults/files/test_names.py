"""Hostile file names, end to end: one reversible row per file, no control characters in output."""

from __future__ import annotations

import csv
import os
from functools import cache
from pathlib import Path

import pytest

from producer.table.csv_cells import unescape
from producer.table.verify import verify
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import expected_table
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import Producer

ENDING = b".png"
NAMES = [
    b"=cmd|' -C calc'!A0", b"+1", b"-1", b"@SUM(A1)", b"\t=1", b"\r=1", b"'quoted'",
    b"new\nline", b"\r\n", b"tab\tin", b'"quotes", and commas', b"back\\slash", b"\\x41", b"\\",
    b"latin-\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"\x01\x02\x7f", b"\x1b[31mred\x1b[0m",
    b"\x1b]0;title\x07", "rtl\u202egnp".encode(), "\u2066isolate\u2069".encode(),
    "\N{BYTE ORDER MARK}bom".encode(), "line\u2028separator".encode(), "\x85next".encode(),
    "caf\u00e9".encode(), "cafe\u0301".encode(), b"-", b" ", b" leading", b"trailing ", b"%s%n",
    b"$(touch pwned)", b"`id`", b"; rm -rf x", b"*?[a]", b"{}", b"~", b"#", b"a" * 251,
    "\N{SNOWMAN}".encode() * 83 + b"xx",
]  # fmt: skip
FOLDERS = [b"one", b"two", b"\x1b[2J", b"=folder\n\xff"]


@pytest.fixture
def images(tmp_path: Path) -> Gallery:
    """Images with the same names in each folder."""
    made = gallery.make(tmp_path / "made", len(NAMES) * len(FOLDERS))
    source = iter(made.paths)
    root = os.fsencode(tmp_path / FOLDER)
    for folder in FOLDERS:
        os.makedirs(root + b"/" + folder)
        for name in NAMES:
            os.link(
                os.fsencode(made.cwd / next(source)), root + b"/" + folder + b"/" + name + ENDING
            )
    paths = sorted(
        FOLDER.encode() + b"/" + folder + b"/" + name + ENDING
        for folder in FOLDERS
        for name in NAMES
    )
    typed = [os.fsdecode(path) for path in paths]
    return Gallery(tmp_path, typed, cache(lambda: expected_table.table(tmp_path, typed)), made.real)


def test_every_name_is_a_row_that_unescapes_to_its_file(stage: Scenario) -> None:
    assert max(len(name + ENDING) for name in NAMES) == 255
    worker = stage.fleet.worker()
    producer = stage.classify()
    assert producer.wait() == Exit.OK, producer.story
    assert stage.output.read_bytes() == stage.gallery.table
    with stage.output.open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    back = [unescape(row["path"]) for row in rows]
    assert back == [os.fsencode(path) for path in stage.gallery.paths]
    assert not any(row["path"].startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows)
    assert verify(stage.output, deep=True).proven
    for path in back[::7]:
        os.unlink(os.path.join(os.fsencode(stage.gallery.cwd), path))
    report = stage.hangtag("verify", str(stage.output))
    assert report.wait() == Exit.NOT_PROVEN
    assert len(report.out.splitlines()) == len(back[::7]) + 1
    for command in (producer, report, *_status_commands(stage)):
        _check_harmless(command)
    stage.check_nothing_runs(worker)


def test_the_name_of_a_folder_controls_no_terminal(stage: Scenario) -> None:
    folder = os.fsdecode(FOLDER.encode() + b"/" + FOLDERS[3])
    producer = stage.fleet.producer(
        "classify", folder, "-o", str(stage.output), cwd=stage.gallery.cwd
    )
    producer.wait_until_sent()
    assert producer.interrupt() == Exit.INTERRUPTED, producer.story
    _check_harmless(producer)
    absent = stage.hangtag("classify", os.fsdecode(b"\x1b]0;no\x07\xff"), "-o", "x.csv")
    assert absent.wait() == Exit.USAGE
    _check_harmless(absent)
    for command in ("status", "cancel", "collect", "verify"):
        unknown = stage.hangtag(command, os.fsdecode(b"\x1b]0;no\x07\xff"))
        assert unknown.wait() == Exit.USAGE
        _check_harmless(unknown)


def _status_commands(stage: Scenario) -> list[Producer]:
    return [stage.hangtag("status"), stage.hangtag("status", str(stage.output))]


def _check_harmless(producer: Producer) -> None:
    """Its output is printable text and line feeds only."""
    output = producer.out + producer.log
    assert output
    assert all(line.isprintable() for line in output.split("\n")), ascii(output)
