"""Mistakes in class folders are found, corrected on the page, and learned from; no folder changes.

The trainer's part runs in this process, on a real server and store; files, tables, journals and the
review are real.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.dataset_check import check_table
from producer.dataset_check.findings import Findings
from producer.models.corrected_files import corrections_input
from producer.verify.verify import verify
from shared.errors import UsageError
from shared.labels import correction_log
from shared.labels.labelled_files import input_sha256
from shared.messages.checked_data import FILE, CheckedRows, decode_rows
from shared.messages.model_card import decode_card
from shared.messages.replies import CheckedData, Evaluated, Trained
from shared.messages.requests import CheckData, Evaluate
from shared.messages.training import Train
from tests.support.backbones import converted, short_backbone
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.processes.review_server import Review
from tests.support.servers.redis_server import RedisServer
from worker.handlers.check_dataset import check
from worker.handlers.evaluate import evaluate
from worker.handlers.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
IMAGES_OF_CLASS = 12
#: A file in the wrong folder, and where it belongs.
PLANTED = {"circle/planted.png": "triangle", "square/planted.png": "circle"}
BROKEN = "square/broken.jpg"


class Checked(NamedTuple):
    server: RedisServer
    store: Path
    root: Path
    table: Path
    answer: CheckedData
    rows: CheckedRows


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[Checked]:
    root = tmp_path_factory.mktemp("loop") / "photos"
    for shape in shapes.CORNERS:
        shapes.write(root, shape, IMAGES_OF_CLASS)
    for seed, (path, shape) in enumerate(PLANTED.items()):
        (root / path).write_bytes(shapes.encoded(shapes.draw(shape, 100 + seed), "PNG"))
    (root / BROKEN).write_bytes(b"\xff\xd8\xff no photo")
    store = tmp_path_factory.mktemp("store")
    with short_backbone.in_table(store) as backbone, RedisServer(server_binary) as server:
        converted.put(backbone, store)
        context, _ = handler_context.make(server, store, CheckData(str(root)))
        answer, files = check(context, CheckData(str(root)))
        assert isinstance(answer, CheckedData)
        rows = decode_rows(files[FILE])
        table = root.parent / "photos-check.csv"
        check_table.write(rows, decode_card(rows.card), os.fsencode(root), str(table))
        yield Checked(server, store, root, table, answer, rows)


@pytest.fixture
def corrected(checked: Checked) -> Path:
    """The table after the planted files were corrected on the page."""
    correction_log.log_path(checked.table).unlink(missing_ok=True)
    review = Review(checked.table)
    rows = review.rows("kind=disagreeing&count=20")["rows"]
    below = {str(Path(row["path"]).relative_to(checked.root)): row for row in rows}
    reply = review.decide(*((below[path]["position"], label) for path, label in PLANTED.items()))
    assert reply["refused"] == []
    assert review.end() == 0
    return checked.table


def labels_of(table: Path, root: Path) -> dict[str, dict[str, str]]:
    with table.open(newline="") as file:
        return {str(Path(row["path"]).relative_to(root)): row for row in csv.DictReader(file)}


def test_files_in_wrong_folders_are_the_most_doubtful(checked: Checked) -> None:
    given = dict(zip(checked.rows.paths, checked.rows.given, strict=True))
    readable = [p for p, s in zip(checked.rows.paths, checked.rows.statuses, strict=True) if not s]
    doubtful = sorted(readable, key=given.__getitem__)[: 2 * len(PLANTED)]
    assert {os.path.relpath(os.fsdecode(p), checked.root) for p in doubtful} >= set(PLANTED)


def test_exactly_the_files_in_wrong_folders_are_listed(checked: Checked) -> None:
    found = Findings(checked.rows)
    listed = [
        os.path.relpath(os.fsdecode(checked.rows.paths[i]), checked.root) for i in found.suspects
    ]
    assert set(listed) == set(PLANTED)
    assert found.expected_wrong > 0.8


def test_the_table_has_every_file_and_is_proven(checked: Checked) -> None:
    found = labels_of(checked.table, checked.root)
    assert len(found) == 3 * IMAGES_OF_CLASS + len(PLANTED) + 1
    assert {path: found[path]["label"] for path in PLANTED} == PLANTED
    assert found[BROKEN]["status"] == "unreadable"
    assert verify(checked.table).proven


def test_no_job_takes_it_for_its_own(checked: Checked) -> None:
    before = checked.table.read_bytes()
    asked = ["classify", str(checked.root), "-o", str(checked.table)]
    found = CliRunner().invoke(hangtag, asked)
    assert found.exit_code == 2
    assert "other options" in found.output
    assert checked.table.read_bytes() == before


def test_a_check_replaces_the_table_and_keeps_the_corrections(
    checked: Checked, corrected: Path
) -> None:
    log = correction_log.log_path(corrected).read_bytes()
    rows = checked.rows
    check_table.write(rows, decode_card(rows.card), os.fsencode(checked.root), str(corrected))
    assert verify(corrected).proven
    assert correction_log.log_path(corrected).read_bytes() == log


def test_corrections_are_learned_from_and_measured_by(checked: Checked, corrected: Path) -> None:
    outside = checked.root.parent / "inbox" / "moved.png"
    outside.parent.mkdir(exist_ok=True)
    shutil.move(checked.root / "circle/planted.png", outside)
    try:
        found = corrections_input([corrected])
        assert found is not None
    finally:
        shutil.move(outside, checked.root / "circle/planted.png")
    sha256 = input_sha256(found)
    work = Train("shapes", "photo-head", str(checked.root), precision="fp32", corrections=sha256)
    context, _ = handler_context.make(checked.server, checked.store, work, found, "t1")
    trained = train(context, work).answer
    assert isinstance(trained, Trained)
    assert trained.data is not None
    counts = dict(zip(trained.data.labels, trained.data.training, strict=True))
    assert counts == {
        "circle": IMAGES_OF_CLASS + 1,
        "square": IMAGES_OF_CLASS,
        "triangle": IMAGES_OF_CLASS + 1,
    }
    measured = Evaluate("shapes", str(checked.root), corrections=sha256)
    context, _ = handler_context.make(checked.server, checked.store, measured, found, "e1")
    evaluated = evaluate(context, measured).answer
    assert isinstance(evaluated, Evaluated)
    assert evaluated.evaluation.accuracy == 1.0
    data = evaluated.data
    every = map(sum, zip(data.training, data.heldout, data.test, strict=True))
    assert dict(zip(data.labels, every, strict=True)) == counts


def test_a_corrected_check_doubts_the_planted_files_no_more(
    checked: Checked, corrected: Path
) -> None:
    found = corrections_input([corrected])
    work = CheckData(str(checked.root), corrections=input_sha256(found))
    context, _ = handler_context.make(checked.server, checked.store, work, found, "c2")
    rows = decode_rows(check(context, work).files[FILE])
    names = [os.path.relpath(os.fsdecode(path), checked.root) for path in rows.paths]
    given = dict(zip(names, rows.given, strict=True))
    assert min(given[path] for path in PLANTED) > 0.5


def test_a_table_without_corrections_is_named(checked: Checked) -> None:
    correction_log.log_path(checked.table).unlink(missing_ok=True)
    with pytest.raises(UsageError, match="hangtag review"):
        corrections_input([checked.table])
