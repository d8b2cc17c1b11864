"""What came out of a job, counted batch by batch, equals what a reader of its table counts."""

from __future__ import annotations

import csv
import random
import re
from array import array
from collections import Counter
from io import StringIO
from pathlib import Path

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job.acceptance import doubtless
from producer.job.columns import table_columns
from producer.job.job_options import JobOptions
from producer.job.job_properties import ANSWERS, PropertyValues
from producer.job.row_batch import AS_CLASSIFIED, RowBatch
from producer.job.totals import AcceptedShare, AnswerCounts
from producer.table.answer_counter import AnswerCounter, Z, interval
from producer.table.csv_cells import escape
from producer.table.job_text import answer_lines, training_lines
from producer.table.promise import LabelledRows, withdrawn, without_withdrawn
from shared.image_status import BY_CODE
from shared.labels.class_folders import folder_of
from shared.messages.batch import BatchResult
from shared.messages.model_card import IMPORTED, Card, Metrics
from shared.messages.replies import Decided, Evaluation, Trained
from shared.registry import learned_lines, packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.unit.table.test_text_format import CsvText

CARD = packaged.card()
FOLDERS = [*(folder_of(label) for label in CARD.labels), "misc", "Bag/inner", ""]

Row = tuple[str, int, float, int, int]
rows = st.tuples(
    st.sampled_from(FOLDERS),
    st.integers(0, len(CARD.labels) - 1),
    st.floats(0.125, 1, width=32),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([0, 0, 0, 1, 2]),
)
FOUND = Evaluation(64, 0.75, 0.5, 0.02, ("boot", "coat", "hat"), ((40, 0, 0), (6, 8, 4), (1, 1, 4)))
FLAGGED = 0.02
OPTIONS = JobOptions((b"in",), b"/", "/out.csv")


def batch(found: list[Row], first: int) -> RowBatch:
    """Names and results of rows; a failed row holds zeros, as a worker writes it."""
    names = [f"{one[0]}/{first + i}.png".lstrip("/").encode() for i, one in enumerate(found)]
    good = [(i, p, f) if not code else (0, 0.0, 0) for _, i, p, code, f in found]
    result = BatchResult(
        1,
        bytes(one[3] for one in found),
        array("H", (i for i, _, _ in good)).tobytes(),
        array("f", (p for _, p, _ in good)).tobytes(),
        bytes(f for _, _, f in good),
    )
    return RowBatch(b"\0".join(names), result)


@given(st.lists(st.lists(rows, min_size=1, max_size=12), min_size=1, max_size=4))
def test_the_counts_are_those_of_the_table(batches: list[list[Row]]) -> None:
    counter, table = AnswerCounter(CARD), CsvText(table_columns(CARD, AS_CLASSIFIED))
    text, exact = table.first_line, list[float]()
    for number, found in enumerate(batches):
        some = batch(found, 100 * number)
        counter.add(some)
        text += table.lines(some)
        exact += [one[2] for one in found]
    counted = counter.counted()
    lines = list(csv.DictReader(StringIO(text)))
    good = [line for line in lines if line["status"] == "ok"]
    assert counted.labels == Counter(line["label"] for line in good)
    rule, number_of = doubtless(CARD), {label: i for i, label in enumerate(CARD.labels)}
    unsure = Counter(
        line["label"]
        for line, confidence in zip(lines, exact, strict=True)
        if line["status"] == "ok"
        and not rule.accepts(number_of[line["label"]], confidence, bool(line["flag"]))
    )
    assert counted.doubtful == unsure
    bad = [line for line in lines if line["status"] != "ok"]
    assert {s: f.count for s, f in counted.failures.items()} == Counter(
        row["status"] for row in bad
    )
    for status, failures in counted.failures.items():
        assert failures.first == next(row["path"] for row in bad if row["status"] == status)
    folders = {folder_of(label): label for label in CARD.labels}
    named = [(folders.get(("/" + row["path"]).split("/")[-2]), row["label"]) for row in good]
    assert counted.in_label_folders == sum(truth is not None for truth, _ in named)
    assert counted.as_folder == sum(truth == label for truth, label in named)
    assert PropertyValues({ANSWERS: msgspec.json.encode(counted)}).answers == counted


def test_a_first_failed_file_is_named_as_in_the_table() -> None:
    counter = AnswerCounter(CARD)
    status = BY_CODE.index("missing")
    counter.add(RowBatch(b"a\xff\n.png", BatchResult(1, bytes([status]), bytes(2), bytes(4))))
    assert counter.counted().failures["missing"].first == escape(b"a\xff\n.png")


@given(st.integers(1, 10_000), st.data())
def test_the_interval_contains_the_shares_within_two_deviations(
    count: int, data: st.DataObject
) -> None:
    """Wilson: the bounds are the shares from which the accuracy is Z deviations away."""
    accuracy = data.draw(st.integers(0, count)) / count
    low, high = interval(accuracy, count)
    assert 0 <= low <= accuracy <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            deviation = (bound * (1 - bound) / count) ** 0.5
            assert abs(accuracy - bound) == pytest.approx(Z * deviation, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("count", "chance"), [(64, True), (5_000, False)])
def test_a_comparison_on_few_images_is_called_chance(count: int, chance: bool) -> None:
    metrics = Metrics(0.75, count, 0.5, 0.02)
    trained = Trained("m@2", metrics, Decided("production", 2, 1, True, "it is better"), 3.0)
    text = click.unstyle("\n".join(training_lines(trained, {"heldout": FOUND})))
    assert ("mostly chance" in text) == chance
    assert f"75.0% of {count:,} held-out images right" in text
    assert "others like these" in text
    assert "weakest classes:" in text
    assert text.splitlines()[-1] == "undo it:  hangtag models rollback m"


FEW, WEAKEST = "fewer than 15 images to judge by: ", "weakest classes:"
CHANCE = "fewer are right than by chance; "


@pytest.mark.parametrize(
    ("images", "right", "says"),
    [
        ((15, 15), (15, 15), []),
        ((15, 14), (15, 14), [f"{FEW}1 (14)"]),
        ((1,) * 5, (1,) * 5, [f"{FEW}0 (1), 1 (1), 2 (1), 3 (1), 4 (1)"]),
        ((1,) * 6, (1,) * 6, [f"{FEW}0 (1), 1 (1), 2 (1), 3 (1), 4 (1) and 1 more"]),
        ((50, 50), (25, 25), [WEAKEST]),
        ((50, 50), (10, 10), [WEAKEST, f"{CHANCE}check the order of --labels, and --scale"]),
        ((0, 0), (0, 0), [f"{FEW}0 (0), 1 (0)"]),
    ],
)
def test_what_is_wrong_with_classes_is_said_only_if_it_is_so(
    images: tuple[int, ...], right: tuple[int, ...], says: list[str]
) -> None:
    count, classes = sum(images), range(len(images))
    confusion = [[0] * len(images) for _ in classes]
    for i in classes:
        confusion[i][i] = right[i]
        confusion[i][i - 1] += images[i] - right[i]
    accuracy, labels = sum(right) / max(count, 1), tuple(map(str, classes))
    measured = Evaluation(count, accuracy, 0.5, 0.02, labels, tuple(map(tuple, confusion)))
    decided = Decided("production", 2, 1, True, "it is better")
    trained = Trained("m@2", Metrics(accuracy, count, 0.5, 0.02), decided, 3.0)
    lines = map(click.unstyle, training_lines(trained, {"heldout": measured}))
    assert [line for line in lines if line.startswith((FEW, CHANCE, WEAKEST))] == says


@pytest.mark.parametrize(
    ("doubtful", "accepted", "flagged", "says"),
    [
        ({}, None, {}, []),
        ({"Bag": 1}, None, {"unlike_training": 2}, ["1 doubtful", "2 flagged"]),
        ({"Bag": 1}, AcceptedShare(3, 0.9, 0.95), {}, ["3 accepted"]),
    ],
)
def test_a_figure_is_displayed_if_it_counts_a_row_and_one_precision_at_a_time(
    doubtful: dict[str, int],
    accepted: AcceptedShare | None,
    flagged: dict[str, int],
    says: list[str],
) -> None:
    answers = AnswerCounts({"Bag": 4}, doubtful, 0.98, accepted=accepted)
    lines = map(click.unstyle, answer_lines(answers, flagged))
    numbers = [re.match(r" +(\d+ \w+)  ", line) for line in lines]
    assert [number[1] for number in numbers if number] == says


def of_held_out(doubtful: float, count: int = 5_000) -> Card:
    """A card whose held-out images were doubtful to this share."""
    points = tuple(
        msgspec.structs.replace(point, accepted=1 - doubtful) for point in CARD.operating_points
    )
    metrics = msgspec.structs.replace(CARD.metrics, heldout_count=count)
    return msgspec.structs.replace(CARD, operating_points=points, metrics=metrics)


def keeps(card: Card, rows: int, doubtful: int, flagged: int = 0) -> bool:
    return withdrawn(card, LabelledRows(rows, doubtful, flagged), OPTIONS) is None


@given(
    st.integers(0, 2**32), st.integers(1, 3_000), st.floats(0.01, 0.95),
    st.integers(40, 5_000),
)  # fmt: skip
def test_rows_like_the_held_out_images_keep_the_promise(
    seed: int, rows: int, share: float, held: int
) -> None:
    """Also where these are mostly doubtful."""
    chance = random.Random(seed)
    doubtful = sum(chance.random() < share for _ in range(rows))
    flagged = sum(chance.random() < FLAGGED for _ in range(rows))
    kept = round(share * held) / held
    assert keeps(of_held_out(kept, held), rows, max(doubtful, flagged), flagged)


@pytest.mark.parametrize("held_out", [0.05, 0.17, 0.5, 0.8])
@pytest.mark.parametrize("rows", [300, 10_000, 1_000_000])
def test_rows_of_which_most_more_are_doubtful_lose_it(held_out: float, rows: int) -> None:
    odds = 5 * held_out / (1 - held_out)
    assert not keeps(of_held_out(held_out), rows, round(rows * odds / (1 + odds)))


@pytest.mark.parametrize("rows", [100, 10_000, 1_000_000])
def test_rows_of_which_clearly_more_are_flagged_lose_it(rows: int) -> None:
    card = of_held_out(0.17)
    assert not keeps(card, rows, round(0.2 * rows), round(0.15 * rows))


def test_a_version_without_held_out_answers_promises_nothing() -> None:
    for card in (
        msgspec.structs.replace(CARD, operating_points=()),
        of_held_out(0.17, count=0),
    ):
        found = withdrawn(card, LabelledRows(1_000, 0, 0), OPTIONS)
        assert found is not None
        assert "held-out" in found.why


def test_without_a_promise_no_figure_of_a_precision_is_left() -> None:
    accepted = AcceptedShare(10, 0.97, 0.95)
    answers = AnswerCounts({"Bag": 100}, {"Bag": 90}, 0.98, accepted=accepted)
    found = without_withdrawn(answers, 0, CARD, OPTIONS)
    assert found.withdrawn is not None
    assert found.precision is None
    assert found.accepted == AcceptedShare(10, None, 0.95)
    like = msgspec.structs.replace(answers, doubtful={"Bag": 17})
    assert without_withdrawn(like, 0, CARD, OPTIONS) == like


@pytest.mark.parametrize(("source", "says"), [("/in", True), ("/in/..", False), ("", False)])
def test_the_folders_that_a_version_has_learned_from_prove_nothing(source: str, says: bool) -> None:
    card = msgspec.structs.replace(CARD, source=source)
    counted = AnswerCounts({"Bag": 2}, in_label_folders=2, as_folder=2)
    lines = answer_lines(without_withdrawn(counted, 0, card, OPTIONS), {})
    (line,) = (line for line in lines if "as their folders are named" in line)
    assert (f"{card.ref} has learned from them" in line) == says


def version(**changes: object) -> Card:
    """A version of a person."""
    return msgspec.structs.replace(CARD, name="mine", version=3, **changes)


def of_labels(**changes: object) -> Card:
    """A version that has learned from a labels file."""
    return version(files={learned_lines.FILE: "0" * 64}, source="", **changes)


SURE_OF_NONE = tuple(
    msgspec.structs.replace(point, thresholds=(None,) * len(CARD.labels))
    for point in CARD.operating_points
)
NOT_CALIBRATED = {
    "recipe": IMPORTED,
    "operating_points": (),
    "metrics": msgspec.structs.replace(CARD.metrics, heldout_count=0),
}


@pytest.mark.parametrize(
    ("card", "precision", "why", "command", "advice"),
    [
        (CARD, None, "90.0% are doubtful, ", "train DIR", "train your own"),
        (version(), None, "90.0% are doubtful, ", "train DIR", "add some to its folders"),
        (
            version(**NOT_CALIBRATED), None, "the confidence of mine@3 is not calibrated",
            "models calibrate mine@3 --data DIR", "calibrate it on labelled images",
        ),
        (of_labels(), None, "90.0% are doubtful, ", "label DIR", "name more of them"),
        (
            of_labels(operating_points=()), None, "mine@3 is sure of no image without a label",
            "label DIR", "name more of them",
        ),
        (
            of_labels(operating_points=SURE_OF_NONE), 0.95, "at 95% mine@3 is sure of no image",
            "label DIR", "name more of them",
        ),
    ],
)  # fmt: skip
def test_what_to_do_about_a_withdrawn_promise_depends_on_the_version(
    card: Card, precision: float | None, why: str, command: str, advice: str
) -> None:
    lost = withdrawn(card, LabelledRows(1_000, 900, 0), OPTIONS, precision)
    assert lost is not None
    assert lost.why.startswith(why)
    assert (lost.train, lost.advice) == (f"hangtag {command}", advice)


def test_a_version_of_labels_keeps_its_promise_like_any_other() -> None:
    assert keeps(of_labels(), 1_000, 50)


def test_a_model_that_is_named_like_the_folder_is_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_STORE", str(tmp_path / "store"))
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    files = {"model.tflite": b"1"}
    Registry(Settings.from_env().store_path).publish(version(files={}), files)
    table = str(tmp_path / "out.csv")

    def proposed(folder: str, model: str = "") -> str:
        options = JobOptions((str(tmp_path / folder).encode(),), b"/", table, model=model)
        lost = withdrawn(CARD, LabelledRows(1_000, 900, 0), options)
        assert lost is not None
        return lost.train

    assert proposed("mine").startswith("hangtag classify --model mine --restart ")
    for folder, model in (("other", ""), ("mine", "fashion-mnist")):
        assert proposed(folder, model) == "hangtag train DIR"


@pytest.mark.parametrize(("rows", "is_told"), [(200, True), (201, False)])
def test_a_folder_of_a_few_rows_is_no_accuracy_of_the_table(rows: int, is_told: bool) -> None:
    counted = AnswerCounts({"Bag": rows}, in_label_folders=2, as_folder=2)
    lines = answer_lines(counted, {})
    assert any("as their folders are named" in line for line in lines) is is_told
