"""The labels of a labels file, once a version has learned them, are corrections of its tables."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from producer.cli.main import hangtag
from producer.present.events import Event, Events, Notice
from producer.run.job import Job
from producer.run.run import learned_of
from producer.table.display_options import DisplayOptions
from producer.table.verify import verify
from producer.trainer.corrected_files import labelled_input
from producer.versions.catalog import learned_labels
from shared.errors import SetupError, UsageError
from shared.labels import labels_file
from shared.labels.label_line import LabelLine
from shared.labels.labels_file import LabelsFile
from shared.labels.submitted_lines import decode_input, encode_lines, input_sha256, labelled
from shared.messages.model_card import Card
from shared.registry import learned_lines, packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs.decided import append, correct, line_of
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.updated_job import update

ONE = bytes(range(40))
#: The last one is no image.
CONTENTS = [ONE, b"two", b"red", b"blue", RUBBISH]
SHA256 = [hashlib.sha256(content).hexdigest() for content in CONTENTS]
LABELS = ["Coat", "Hat", "Bag"]
#: A line of a labels file: its kind, the image, a label and another one.
STEPS = st.tuples(
    st.sampled_from(["label", "left-out", "undo", "rename", "back"]),
    st.integers(0, len(CONTENTS) - 1),
    st.sampled_from(LABELS),
    st.sampled_from(LABELS),
)


def lines_of(steps: Sequence[tuple[str, int, str, str]]) -> list[LabelLine]:
    made: list[LabelLine] = []
    for number, (what, image, label, other) in enumerate(steps):
        by, at = f"user{number}", f"2026-11-29T06:{number:02}:00.000+00:00"
        if what in ("rename", "back"):
            made.append(
                LabelLine(
                    kind="rename", taken_from=label, label=other, by=by, at=at, undo=what == "back"
                )
            )
            continue
        if what == "left-out":
            made.append(line_of(CONTENTS[image], by=by, at=at, kind="left-out"))
        else:
            made.append(line_of(CONTENTS[image], label, by=by, at=at, undo=what == "undo"))
    return made


class Held(NamedTuple):
    label: str
    by: str
    at: str


def held(path: Path) -> dict[str, Held]:
    """By SHA-256, by replaying the lines that no later line takes back."""
    lines: list[Any] = list(map(json.loads, path.read_text().splitlines()))
    for place, line in enumerate(lines):
        if line and line["kind"] == "rename" and line.get("undo"):
            lines[place] = None
            for before in reversed(range(place)):
                other = lines[before]
                names = ("taken_from", "label")
                if other and all(other.get(name) == line[name] for name in names):
                    lines[before] = None
                    break
    now: dict[str, Held] = {}
    for line in filter(None, lines):
        kind = line["kind"]
        if kind == "rename":
            for sha256, one in now.items():
                if one.label == line["taken_from"]:
                    now[sha256] = Held(line["label"], one.by, line["at"])
        elif kind == "label" and not line.get("undo"):
            now[line["sha256"]] = Held(line["label"], line["by"], line["at"])
        else:
            now.pop(line["sha256"], None)
    return now


def submitted(path: Path) -> list[LabelLine]:
    """The labels as a trainer gets them; none of a file without any."""
    try:
        data = labelled_input(path, "photos")
    except UsageError:
        return []
    return labelled(decode_input(data, input_sha256(data)))


@given(
    steps=st.lists(STEPS, max_size=9),
    names=st.lists(st.integers(0, len(CONTENTS) - 1), min_size=2, max_size=6),
    later=st.sampled_from([None, "Shoe", ""]),
)
def test_a_table_has_the_labels_that_hold_unless_a_person_has_decided_later(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int, str, str]],
    names: list[int],
    later: str | None,
) -> None:
    folder = tmp_path_factory.mktemp("table")
    file = LabelsFile(folder / "photos.labels.jsonl")
    file.append(lines_of([("label", 2, "Coat", ""), ("label", 0, "Hat", ""), *steps]))
    file.close()
    labels, learned = held(file.path), submitted(file.path)
    os.remove(file.path)
    (folder / "moved").mkdir()
    for number, image in enumerate(names):
        (folder / f"moved/{number}.png").write_bytes(CONTENTS[image])
    table = folder / "out.csv"
    log = labels_file.of_table(table)
    if later is not None:  # "now" is later than any other time
        correct(table, CONTENTS[0], later, *_rows(names, 0), undo=not later)
        labels.pop(SHA256[0], None)

    finish(options_of(folder, b"moved"), learned=learned)
    lines = [json.loads(line) for line in _lines(log) if '"at":"now"' not in line]
    assert {
        line["sha256"]: (Held(line["label"], line["by"], line["at"]), line["rows"])
        for line in lines
    } == {
        SHA256[image]: (labels[SHA256[image]], _rows(names, image)[:1])
        for image in set(names) - {CONTENTS.index(RUBBISH)}
        if SHA256[image] in labels
    }
    given = {SHA256.index(line["sha256"]): line["label"] for line in lines}
    people = {row: label for image, label in given.items() for row in _rows(names, image)}
    if people and later:  # a table with labels of people has all of them
        people |= dict.fromkeys(_rows(names, 0), later)
    assert _people(table) == people

    before = _lines(log), table.read_bytes()
    finish(options_of(folder, b"moved"), learned=learned, restart=True)
    assert (_lines(log), table.read_bytes()) == before


def _rows(names: Sequence[int], image: int) -> list[int]:
    return [row for row, other in enumerate(names, 1) if other == image]


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def _people(table: Path) -> dict[int, str]:
    """Row -> the label of a person."""
    with table.open(newline="") as file:
        rows = enumerate(csv.DictReader(file), 1)
        return {n: row["label"] for n, row in rows if row.get("source") == "person"}


def publish(store: Path, *lines: LabelLine) -> Card:
    """A version that has learned these lines."""
    files = {name: packaged.read(name) for name in packaged.card().files}
    files[learned_lines.FILE] = encode_lines(lines)
    card = msgspec.structs.replace(packaged.card(), name="mine", version=0)
    return Registry(store).publish(card, files, who="tester")


def test_a_version_has_the_labels_with_the_names_of_its_card(tmp_path: Path) -> None:
    shirt = line_of(ONE, "T-shirt_top", at="2026")
    none = msgspec.structs.replace(line_of(CONTENTS[2], "Bag"), undo=True)
    left_out = line_of(CONTENTS[1], kind="left-out")
    excluded = line_of(CONTENTS[3], "T-shirt_top", kind="not-this")
    card = publish(tmp_path, shirt, none, left_out, excluded)
    settings = Settings(store=str(tmp_path))
    names = {line.sha256: (line.label, line.kind) for line in learned_labels(settings, card)}
    assert names == {
        shirt.sha256: ("T-shirt/top", "label"), excluded.sha256: ("T-shirt/top", "not-this")
    }  # fmt: skip
    assert learned_labels(settings, packaged.card()) == []
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(SetupError, match="mine"):
        learned_labels(settings, card)
    events, lines = Events(), list[Event]()
    events.subscribe(lines.append)
    assert learned_of(card, settings, events) == []
    (line,) = lines
    assert isinstance(line, Notice)
    assert line.text.startswith("the labels that mine@1 has learned are not in the table: ")


def test_labels_that_the_version_does_not_give_are_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/0.png").write_bytes(ONE)
    label = line_of(ONE, "Hat", at="2026")
    options = options_of(tmp_path, b"in")
    finish(options)
    with closing(Job(options)) as job:
        lines = job.table.take_learned([label])
        again = job.table.take_learned([label])
    assert again == []
    assert lines == [
        "1 label that people gave is a correction of out.csv; "
        "a summary counts the labels of the model",
        "fashion-mnist@0 does not give all of these labels: not Hat",
    ]


@pytest.mark.parametrize(
    "logged",
    [
        line_of(ONE, "Hat", at="2025", rows=(1,)),
        line_of(ONE, "Hat", at="2027", rows=(1,), kind="not-this"),
    ],
)
def test_a_learned_label_is_taken_unless_the_log_has_a_later_one(
    tmp_path: Path, logged: LabelLine
) -> None:
    """A later line about another label says nothing of it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/0.png").write_bytes(ONE)
    append(tmp_path / "out.csv", logged)
    finish(options_of(tmp_path, b"in"), learned=[line_of(ONE, "Bag", at="2026")])
    assert [(row["label"], row["source"]) for row in rows_of(tmp_path)] == [("Bag", "person")]


def test_a_table_without_labels_of_people_stays_one(tmp_path: Path) -> None:
    """Where a person has chosen that."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/0.png").write_bytes(ONE)
    append(tmp_path / "out.csv", line_of(ONE, "Hat", at="2025", rows=(1,)))
    finish(options_of(tmp_path, b"in"))
    with closing(Job(options_of(tmp_path, b"in"), DisplayOptions(corrections=0))) as job:
        job.table.take_learned([line_of(ONE, "Bag", at="2026")])
        job.table.render()
    assert [row["label"] == "Bag" or "source" in row for row in rows_of(tmp_path)] == [False]


def excluding(image: int, *names: str, at: str = "2026") -> list[LabelLine]:
    """What a version has learned of an image, beside or without its label."""
    return [line_of(CONTENTS[image], name, at=at, kind="not-this") for name in names]


@pytest.fixture
def answers(tmp_path: Path) -> list[dict[str, str]]:
    """The rows of a table of the images, and of a copy of the first one."""
    (tmp_path / "in").mkdir()
    for number, content in enumerate([*CONTENTS, CONTENTS[0]]):
        (tmp_path / f"in/{number}.png").write_bytes(content)
    finish(options_of(tmp_path, b"in"))
    return rows_of(tmp_path)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_guess_that_people_excluded_is_unknown_however_confident(
    tmp_path: Path, answers: list[dict[str, str]]
) -> None:
    """In all copies of the image."""
    guesses = [row["label"] for row in answers]
    other = next(name for name in packaged.card().labels if name != guesses[2])
    hat = line_of(CONTENTS[3], "Hat", at="2026")
    learned = [*excluding(0, other, guesses[0]), *excluding(2, other), hat]
    finish(options_of(tmp_path, b"in"), learned=learned, restart=True)
    rows = rows_of(tmp_path)
    unknown, failed = "unknown", ""
    expected = [unknown, guesses[1], guesses[2], "Hat", failed, unknown]
    assert [row["label"] for row in rows] == expected
    assert [row["source"] for row in rows] == ["model"] * 3 + ["person", "", "model"]
    assert [row["guess"] for row in rows] == guesses
    log = labels_file.of_table(tmp_path / "out.csv")
    before = log.read_bytes()
    finish(options_of(tmp_path, b"in"), learned=learned, restart=True)
    assert (log.read_bytes(), rows_of(tmp_path)) == (before, rows)
    main("table", "out.csv", "--min-confidence", "0.2", cwd=tmp_path)
    assert [row["label"] == unknown for row in rows_of(tmp_path)][:1] == [True]
    main("sort", "out.csv", "--into", "sorted", "--copy", cwd=tmp_path)
    sorted_ = {path.name: path.parent.name for path in (tmp_path / "sorted").glob("*/*")}
    assert (sorted_["0.png"], sorted_["5.png"]) == (unknown, unknown)
    assert verify(tmp_path / "out.csv").proven


def main(*arguments: str, cwd: Path) -> None:
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == 0, result.output


def test_an_excluded_guess_follows_its_image_when_the_table_is_brought_up_to_date(
    tmp_path: Path, answers: list[dict[str, str]]
) -> None:
    """Its rows have other numbers, and a copy was added."""
    guess, table = answers[2]["label"], tmp_path / "out.csv"
    finish(options_of(tmp_path, b"in"), learned=excluding(2, guess), restart=True)
    assert rows_of(tmp_path)[2]["label"] == "unknown"
    (tmp_path / "in/0.png").unlink()
    (tmp_path / "in/6.png").write_bytes(CONTENTS[2])
    update(options_of(tmp_path, b"in"))
    rows = rows_of(tmp_path)
    names = [row["path"] for row in rows if row["label"] == "unknown"]
    assert names == ["in/2.png", "in/6.png"]
    assert verify(table).proven
