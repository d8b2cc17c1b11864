"""`hangtag compare`: figures equal those of plain loops over both tables; its page is harmless."""

from __future__ import annotations

import json
import math
import os
import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from producer.cli.main import hangtag
from producer.job.row_batch import Row
from producer.pages.comparison import p_value
from producer.pages.paired_rows import KeyedRow, paired
from shared.errors import Exit
from shared.image_status import Flag, Status
from shared.labels.class_folders import folder_of
from shared.messages.model_card import Card
from shared.registry import packaged
from tests.support.images.encoders import save
from tests.support.jobs.decided import correct
from tests.support.jobs.planted_journal import Answer, plant
from tests.support.pages.parsed import Parsed
from tests.unit.pages.test_report import HOSTILE

LABELS = packaged.card().labels
FOLDERS = [*(folder_of(label) for label in LABELS[:3]), "other"]
files = [f"in/{folder}/{i}.png".encode() for folder in FOLDERS for i in range(4)]
answers = st.lists(
    st.tuples(st.sampled_from(files), st.none() | st.integers(0, 3), st.floats(0.25, 1, width=32)),
    unique_by=lambda answer: answer[0],
    min_size=1,
)


def run(*arguments: str | Path, code: int = Exit.OK) -> Result:
    result = CliRunner().invoke(hangtag, ["compare", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def other_labels() -> Card:
    """A version with the labels in another order, and one that the first does not have."""
    card = packaged.card()
    labels = (*card.labels[::-1][:-1], "Hat")
    return msgspec.structs.replace(card, version=1, labels=labels)


def truth(name: bytes) -> str | None:
    folder = name.split(b"/")[1].decode()
    return next((label for label in LABELS if folder_of(label) == folder), None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
          max_examples=20)  # fmt: skip
@given(answers, answers, st.randoms(use_true_random=False))
def test_the_figures_are_those_of_plain_loops(
    tmp_path_factory: pytest.TempPathFactory,
    a: list[Answer],
    b: list[Answer],
    chance: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("compare")
    chance.shuffle(b)
    card = other_labels()
    plant(folder / "a.csv", a)
    plant(folder / "b.csv", b, card=card)
    in_a = {name: None if i is None else LABELS[i] for name, i, _ in a}
    in_b = {name: None if i is None else card.labels[i] for name, i, _ in b}
    common = in_a.keys() & in_b.keys()
    if not common:
        line = run(folder / "a.csv", folder / "b.csv", code=Exit.USAGE).stderr
        assert "no file in common" in line
        return
    found = json.loads(run(folder / "a.csv", folder / "b.csv", "--json").stdout)["comparison"]
    both = [name for name in common if in_a[name] is not None and in_b[name] is not None]
    judged = [name for name in both if truth(name) is not None]
    only_a = sum(in_a[n] == truth(n) != in_b[n] for n in judged)
    only_b = sum(in_b[n] == truth(n) != in_a[n] for n in judged)
    assert found["both"] == len(common)
    assert found["images"] == len(both)
    assert found["agreed"] == sum(in_a[n] == in_b[n] for n in both)
    assert found["judged"] == len(judged)
    assert (found["only_a_right"], found["only_b_right"]) == (only_a, only_b)
    assert found["both_wrong"] == sum(truth(n) not in (in_a[n], in_b[n]) for n in judged)
    assert found["p_value"] == (p_value(only_a, only_b) if judged else None)
    assert found["a"]["only"] == len(in_a.keys() - common)
    assert found["b"]["only"] == len(in_b.keys() - common)
    assert found["a"]["failed"] == sum(in_a[n] is None is not in_b[n] for n in common)
    assert found["failed_in_both"] == sum(in_a[n] is None is in_b[n] for n in common)
    for one in found["labels"]:
        label = one["label"]
        assert one["a"] == sum(in_a[n] == label for n in both)
        assert one["b"] == sum(in_b[n] == label for n in both)
        assert one["agreed"] == sum(in_a[n] == in_b[n] == label for n in both)
        assert one["judged"] == sum(truth(n) == label for n in both)
        assert one["right_b"] == sum(in_b[n] == truth(n) == label for n in both)
    assert sum(one["images"] for one in found["confusions"]) == found["images"] - found["agreed"]
    assert run(folder / "a.csv", folder / "b.csv").stdout


def pictured(folder: Path, names: list[bytes]) -> list[Answer]:
    """Files with their answers."""
    for i, name in enumerate(names):
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(Image.new("L", (28, 28), 8 * i), "PNG"))
    return [(name, i % 3, 0.5 + i / 100) for i, name in enumerate(names)]


def test_the_page_has_the_pictures_of_disagreements(tmp_path: Path) -> None:
    a = pictured(tmp_path, [b"in/Trouser/%d.png" % i for i in range(9)])
    b = [(name, 1, 0.9) for name, *_ in a]
    plant(tmp_path / "a.csv", a)
    plant(tmp_path / "b.csv", b)
    result = run(tmp_path / "a.csv", tmp_path / "b.csv", "-o", tmp_path / "c.html")
    assert "B is right more often (p = 0.031" in result.stdout
    page = Parsed((tmp_path / "c.html").read_text())
    page.check_harmless()
    shown = {image["alt"].partition(": ")[2] for image in page.all("img")}
    assert shown == {f"{i}.png" for i in range(9) if i % 3 != 1}
    assert "Only B is right" in "".join(page.text)
    assert "Only A is right" not in "".join(page.text)


def test_changed_files_are_not_compared(tmp_path: Path) -> None:
    a = pictured(tmp_path, [b"in/Coat/1.png", b"in/Coat/2.png", b"in/Coat/3.png"])
    plant(tmp_path / "a.csv", a)
    (tmp_path / "in/Coat/2.png").write_bytes(b"another")
    plant(tmp_path / "b.csv", a)
    result = run(tmp_path / "a.csv", tmp_path / "b.csv")
    assert "not compared: 1 file with another content" in result.stdout
    assert (
        json.loads(run(tmp_path / "a.csv", tmp_path / "b.csv", "--json").stdout)["comparison"][
            "agreed"
        ]
        == 2
    )


def test_hostile_names_and_labels_are_text(tmp_path: Path) -> None:
    a = pictured(tmp_path, [b"in/" + name for name in HOSTILE])
    card = other_labels()
    labels = (f"<script>alert({LABELS[0]})</script>", '"><img src=x onerror=alert(1)>')
    card = msgspec.structs.replace(card, labels=(*labels, *card.labels[2:]))
    plant(tmp_path / "a.csv", a)
    plant(tmp_path / "b.csv", a, card=card)
    out = run(tmp_path / "a.csv", tmp_path / "b.csv", "-o", tmp_path / "c.html").stdout
    assert all(line.isprintable() for line in out.splitlines())
    page = Parsed((tmp_path / "c.html").read_text())
    page.check_harmless()
    text = "".join(page.text)
    assert labels[0] in text
    assert "{{ 7*7 }}{% raw %}.png" in text
    assert "\u202e" not in text


def test_a_table_is_not_compared_with_itself_or_with_nothing(tmp_path: Path) -> None:
    plant(tmp_path / "a.csv", [(b"in/1.png", 1, 0.5)])
    assert "with itself" in run(tmp_path / "a.csv", tmp_path / "a.csv", code=Exit.USAGE).stderr
    assert "no job" in run(tmp_path / "a.csv", tmp_path / "x.csv", code=Exit.USAGE).stderr
    mine = tmp_path / "c.html"
    mine.write_text("mine")
    plant(tmp_path / "b.csv", [(b"in/1.png", 1, 0.5)])
    assert "--force" in run(tmp_path / "a.csv", tmp_path / "b.csv", "-o", mine, code=2).stderr
    assert mine.read_text() == "mine"


def compared(
    folder: Path, labels_a: tuple[str, ...], labels_b: tuple[str, ...], answers: Sequence[Answer]
) -> dict[str, object]:
    """The figures of two models with these labels, which both give the same answers."""
    for table, labels in (("a.csv", labels_a), ("b.csv", labels_b)):
        card = msgspec.structs.replace(packaged.card(), labels=labels, operating_points=())
        plant(folder / table, answers, card=card)
    found = json.loads(run(folder / "a.csv", folder / "b.csv", "--json").stdout)["comparison"]
    wanted = ("agreed", "judged", "only_a_right", "only_b_right", "both_wrong")
    return {name: found[name] for name in wanted} | {
        "labels": [one["label"] for one in found["labels"]]
    }


def decided(folder: Path, *decisions: tuple[str, int, str]) -> dict[str, object]:
    """The figures of two tables that differ on six files, after decisions: the table, the row, and
    the label. A says Trouser of all, B Pullover; row 6 lies in the folder Trouser."""
    names = [b"in/inbox/%d.png" % i for i in range(5)] + [b"in/zz/Trouser/5.png"]
    a = pictured(folder, names)
    plant(folder / "a.csv", [(name, 1, 0.9) for name, *_ in a])
    plant(folder / "b.csv", [(name, 2, 0.8) for name, *_ in a])
    for table, row, label in decisions:
        content = (folder / os.fsdecode(names[row - 1])).read_bytes()
        correct(folder / table, content, label, row)
    found = json.loads(run(folder / "a.csv", folder / "b.csv", "--json").stdout)["comparison"]
    wanted = ("judged", "judged_by_people", "only_a_right", "only_b_right", "both_wrong")
    return {name: found[name] for name in wanted if found[name]}


def test_decisions_of_people_judge_where_no_folder_does(tmp_path: Path) -> None:
    made = [("a.csv", 1, "Pullover"), ("b.csv", 2, "Pullover"), ("b.csv", 3, "wool hat"),
            ("a.csv", 6, "Pullover")]  # fmt: skip
    assert decided(tmp_path, *made) == {
        "judged": 4, "judged_by_people": 3, "only_a_right": 1, "only_b_right": 2, "both_wrong": 1,
    }  # fmt: skip
    run(tmp_path / "a.csv", tmp_path / "b.csv", "-o", tmp_path / "c.html")
    page = Parsed((tmp_path / "c.html").read_text())
    page.check_harmless()
    assert "person: wool hat" in "".join(page.text)


def test_versions_without_a_common_label_are_not_ranked(tmp_path: Path) -> None:
    answers = [(b"in/wool/%d.png" % i, 0, 0.9) for i in range(9)]
    compared(tmp_path, ("wool", "silk"), ("cat", "dog"), answers)
    text = run(tmp_path / "a.csv", tmp_path / "b.csv").stdout
    assert "is right more often" not in text
    assert "the versions have no label in common" in text
    assert "models promote" not in text


keys = st.lists(st.sampled_from([b"/a", b"/b", b"/c/a", b"/c/b", b"/d", b"/e"]), max_size=9)


def rows(found: list[bytes]) -> list[KeyedRow]:
    return [
        (key, Row(i, key, (1, 1), b"", Status.OK, Flag.NONE, (0,), (0.5,), ""))
        for i, key in enumerate(found, 1)
    ]


@given(keys, keys)
def test_pairs_are_those_of_a_join(left: list[bytes], right: list[bytes]) -> None:
    """Of a file that a list names several times, any row may meet any: they are of one file."""
    pairs = list(paired(iter(rows(left)), iter(rows(right))))
    assert sorted(pair.a.number for pair in pairs if pair.a) == list(range(1, len(left) + 1))
    assert sorted(pair.b.number for pair in pairs if pair.b) == list(range(1, len(right) + 1))
    together = [pair for pair in pairs if pair.a and pair.b]
    assert all(pair.a.name == pair.b.name for pair in together if pair.a and pair.b)
    found = Counter(pair.a.name for pair in together if pair.a)
    assert found == Counter(left) & Counter(right)


counts = st.integers(0, 400)


def exact(only_a: int, only_b: int) -> Fraction:
    """The oracle, in whole numbers: how many of all outcomes are at least as uneven."""
    count, least = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(count, i) for i in range(least + 1))
    return min(Fraction(1), Fraction(2 * tail, 2**count))


@given(counts, counts)
def test_it_equals_the_binomial_distribution(only_a: int, only_b: int) -> None:
    assert p_value(only_a, only_b) == pytest.approx(float(exact(only_a, only_b)), rel=1e-9)
    assert p_value(only_a, only_b) == p_value(only_b, only_a)
