"""Mistakes in class folders are found, corrected on the page, and learned from; no folder changes.
The corrections belong to the model: its later trainings learn from them without being given them.

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
from producer.pages.check import write_table
from producer.pages.check_page import Findings
from producer.present.progress import Quiet, Stages
from producer.table.verify import verify
from producer.trainer.corrected_files import corrections_input
from producer.trainer.train import summary
from shared.errors import UsageError
from shared.labels import labels_file
from shared.labels.label_line import LabelLine
from shared.labels.submitted_lines import decode_input, encode_lines, input_sha256
from shared.messages.model_card import decode_card
from shared.messages.replies import (
    ROWS_FILE,
    CheckedDataset,
    CheckedRows,
    Evaluated,
    Trained,
    decode_rows,
)
from shared.messages.requests import CheckDataset, Evaluate
from shared.messages.training import Train
from shared.registry import learned_lines
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.jobs.decided import file_of
from tests.support.processes.review_server import Review
from tests.support.servers.redis_server import RedisServer
from worker.requests.check_dataset import check
from worker.requests.evaluate import evaluate
from worker.requests.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
IMAGES_OF_CLASS = 12
#: A file in the wrong folder, and where it belongs.
PLANTED = {"circle/planted.png": "triangle", "square/planted.png": "circle"}
BROKEN = "square/broken.jpg"
#: The corrections that the first training is given: these and one of a photo in no class folder.
GIVEN = len(PLANTED) + 1
#: Photos of each class with these corrections.
LEARNED = {
    "circle": IMAGES_OF_CLASS + 2,
    "square": IMAGES_OF_CLASS,
    "triangle": IMAGES_OF_CLASS + 1,
}


class Checked(NamedTuple):
    server: RedisServer
    store: Path
    root: Path
    table: Path
    answer: CheckedDataset
    rows: CheckedRows


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[Checked]:
    root = tmp_path_factory.mktemp("loop") / "photos"
    for shape in shapes.CORNERS:
        shapes.write(root, shape, IMAGES_OF_CLASS)
    for seed, (path, shape) in enumerate(PLANTED.items()):
        (root / path).write_bytes(shapes.encoded(shapes.draw(shape, 200 + seed), "PNG"))
    (root / BROKEN).write_bytes(b"\xff\xd8\xff no photo")
    store = tmp_path_factory.mktemp("store")
    with RedisServer(server_binary) as server:
        context, _ = handler_context.make(server, store, CheckDataset(str(root)))
        answer, files = check(context, CheckDataset(str(root)))
        assert isinstance(answer, CheckedDataset)
        rows = decode_rows(files[ROWS_FILE])
        table = root.parent / "photos-check.csv"
        write_table(rows, decode_card(rows.card), os.fsencode(root), str(table), Stages(Quiet()))
        yield Checked(server, store, root, table, answer, rows)


@pytest.fixture(scope="module")
def corrected(checked: Checked) -> Path:
    """The table after the planted files were corrected on the page."""
    review = Review(checked.table)
    rows = review.rows("kind=disagreeing&count=20")["items"]
    below = {str(Path(row["path"]).relative_to(checked.root)): row for row in rows}
    reply = review.decide(*((below[path]["item"], label) for path, label in PLANTED.items()))
    assert reply["refused"] == []
    assert review.end() == 0
    return checked.table


class Trainings(NamedTuple):
    """Trainings of one model, one after the other."""

    registry: Registry
    first: Trained  #: with the corrections of the table, and a photo in no class folder
    evaluated: Evaluated  #: on the same folder, with the same corrections
    again: Trained  #: without being given them, after that photo was deleted


@pytest.fixture(scope="module")
def trainings(checked: Checked, corrected: Path) -> Trainings:
    inbox = checked.root.parent / "inbox"
    inbox.mkdir()
    shutil.move(checked.root / "circle/planted.png", inbox / "moved.png")
    try:
        found = corrections_input([corrected])
    finally:
        shutil.move(inbox / "moved.png", checked.root / "circle/planted.png")
    outside = inbox / "circle.png"
    outside.write_bytes(shapes.encoded(shapes.draw("circle", 102), "PNG"))
    data = encode_lines([*decode_input(found, input_sha256(found)), _file(outside)])
    first = _train(checked, 1, data)
    work = Evaluate("shapes", str(checked.root), corrections=input_sha256(data))
    context, _ = handler_context.make(checked.server, checked.store, work, data, "e1")
    evaluated = evaluate(context, work).answer
    assert isinstance(evaluated, Evaluated)
    outside.unlink()
    return Trainings(Registry(checked.store), first, evaluated, _train(checked, 2))


def _file(path: Path) -> LabelLine:
    return file_of(path.read_bytes(), "circle", path)


def _train(checked: Checked, number: int, data: bytes | None = None) -> Trained:
    sha256 = input_sha256(data)
    work = Train("shapes", "photo-head", str(checked.root), corrections=sha256)
    context, _ = handler_context.make(
        checked.server, checked.store, work, data, f"t{number}", created=number
    )
    answer = train(context, work).answer
    assert isinstance(answer, Trained)
    return answer


def _counts(trained: Trained) -> dict[str, int]:
    assert trained.data is not None
    return dict(zip(trained.data.labels, trained.data.training, strict=True))


def _said(trained: Trained) -> str:
    return "\n".join(summary(Settings(), trained))


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
    log = labels_file.of_table(corrected).read_bytes()
    rows = checked.rows
    typed, progress = os.fsencode(checked.root), Stages(Quiet())
    write_table(rows, decode_card(rows.card), typed, str(corrected), progress)
    assert verify(corrected).proven
    assert labels_file.of_table(corrected).read_bytes() == log


def test_corrections_are_learned_from(trainings: Trainings) -> None:
    assert _counts(trainings.first) == LEARNED
    assert (trainings.first.corrections, trainings.first.earlier_corrections) == (GIVEN, 0)
    assert "earlier" not in _said(trainings.first)


def test_corrections_are_measured_by(trainings: Trainings) -> None:
    data = trainings.evaluated.data
    assert trainings.evaluated.evaluation.accuracy == 1.0
    every = map(sum, zip(data.training, data.heldout, data.test, strict=True))
    assert dict(zip(data.labels, every, strict=True)) == LEARNED


def test_a_later_training_learns_from_them_and_says_so(trainings: Trainings) -> None:
    assert _counts(trainings.again) == LEARNED
    assert (trainings.again.corrections, trainings.again.earlier_corrections) == (GIVEN, GIVEN)
    assert f"{GIVEN} of them from earlier trainings" in _said(trainings.again)
    assert "--without-corrections" in _said(trainings.again)


def test_each_version_has_all_of_them(trainings: Trainings) -> None:
    for number in (1, 2):
        card = trainings.registry.card("shapes", number)
        assert len(learned_lines.read(trainings.registry, card)) == GIVEN


def test_a_picture_that_is_gone_is_learned_from_by_its_features(trainings: Trainings) -> None:
    assert "1 corrected photo is gone: learned from by the features" in _said(trainings.again)


def test_versions_are_compared_on_the_same_photos(trainings: Trainings) -> None:
    assert f"on the {sum(LEARNED.values())} held-out images" in trainings.again.decision.why


def test_a_corrected_check_doubts_the_planted_files_no_more(
    checked: Checked, corrected: Path
) -> None:
    found = corrections_input([corrected])
    work = CheckDataset(str(checked.root), corrections=input_sha256(found))
    context, _ = handler_context.make(checked.server, checked.store, work, found, "c2")
    rows = decode_rows(check(context, work).files[ROWS_FILE])
    names = [os.path.relpath(os.fsdecode(path), checked.root) for path in rows.paths]
    given = dict(zip(names, rows.given, strict=True))
    assert min(given[path] for path in PLANTED) > 0.5


def test_a_table_without_corrections_is_named(checked: Checked, corrected: Path) -> None:
    log = labels_file.of_table(corrected)
    moved = log.rename(log.with_suffix(".moved"))
    try:
        with pytest.raises(UsageError, match="hangtag review"):
            corrections_input([checked.table])
    finally:
        moved.rename(log)
