"""`hangtag label` and `hangtag train --labels` without a server: what is refused, what a trainer
gets of a labels file, and what is named at the end."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.people.label import unread
from producer.people.next_steps import after_label, heading, reached, small_classes, unsure
from producer.trainer.corrected_files import labelled_input
from shared.errors import Exit, UsageError
from shared.labels.label_line import LabelLine
from shared.labels.labels_file import LabelsFile
from shared.labels.submitted_lines import decode_input, input_sha256
from shared.messages.labelling import Counts
from shared.messages.replies import DescribedFolder
from tests.support.jobs.decided import line_of


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images, and a broker that nobody reaches."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANGTAG_REDIS_URL", "redis://127.0.0.1:1")
    (tmp_path / "photos").mkdir()
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(hangtag, words)


def line(key: int, label: str = "", **more: object) -> LabelLine:
    return line_of(bytes(key), label, **more)


def write(path: Path, *lines: LabelLine) -> Path:
    file = LabelsFile(path)
    file.append(lines)
    file.close()
    return path


def test_a_trainer_gets_the_labels_that_hold_and_what_has_none_any_more(here: Path) -> None:
    path = write(
        here / "photos.labels.jsonl",
        line(1, "coat"), line(2, "hat"), line(3, kind="left-out"), line(4, kind="cannot-tell"),
        line(5, "coat"), line(5, "coat", undo=True),
        LabelLine(kind="rename", taken_from="hat", label="cap", by="ada", at="now"),
    )  # fmt: skip
    data = labelled_input(path, "photos")
    lines = decode_input(data, input_sha256(data))
    assert {one.size: (one.kind, one.label, one.undo) for one in lines} == {
        1: ("label", "coat", False), 2: ("label", "cap", False), 3: ("left-out", "", False),
        4: ("cannot-tell", "", False), 5: ("label", "coat", True),
    }  # fmt: skip


@pytest.mark.parametrize("lines", [(), (line(3, kind="left-out"),), (line(5, "a", undo=True),)])
def test_a_file_without_labels_is_refused_with_the_command_that_gives_some(
    here: Path, lines: tuple[LabelLine, ...]
) -> None:
    path = write(here / "photos.labels.jsonl", *lines)
    with pytest.raises(UsageError, match=r"no labels in .*; give some with: hangtag label photos"):
        labelled_input(path, "photos")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("train", "photos", "--labels"), "no labels in photos.labels.jsonl; give some with"),
        (("train", "photos/", "--labels=other.jsonl"), "no labels in other.jsonl"),
        (("train", "photos", "--labels", "--corrections", "t.csv"), "exclude each other"),
        (("train", "--data", "fashion-mnist", "--labels"), "name their folder"),
        (("train", "--labels", "photos"), "run: hangtag train photos --labels"),
        (("label", "fashion-mnist"), "name a folder of others"),
        (("label", ""), "the name of the folder is empty"),
        (("label", "https://host/p?sig=SECRETxyz"), "https://host/p is an address"),
        (("label", "photos", "-o", "photos"), "photos: Is a directory; name another file, or"),
        (("label", "photos", "-o", "no/such.jsonl"), "No such file or directory"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    here: Path, words: tuple[str, ...], why: str
) -> None:
    before = sorted(here.iterdir())
    result = run(*words)
    assert result.exit_code in (Exit.USAGE, Exit.SETUP), result.output
    assert why in result.output
    assert sorted(here.iterdir()) == before
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("counts", "labels", "ends_with"),
    [
        (
            Counts(688, 211, 0, 48, 28, 0.66, 0.51, 0.79), 10,
            "10 labels, in f; of the 477 others 66% would be right (51 to 79%, from 28 drawn by "
            "chance); at 95% 48 of them are accepted and 429 come into unknown/",
        ),
        (Counts(688, 211, 0, 48, 9), 10, "at 95% 48 of the 477 others are accepted and 429 come "
            "into unknown/"),
        (Counts(100, 20, 70, 1, 9), 2, "at 95% 1 of the 10 others is accepted and 9 come into "
            "unknown/"),
        (Counts(100, 20, 70, 9, 9), 2, "9 of the 10 others are accepted and 1 comes into unknown/"),
        (Counts(100, 20, 0, 0, 9), 1, "1 label, in f"),  # no version learns from it
        (Counts(100, 90, 10, 0, 40), 2, "2 labels, in f; 10 left out or not known"),
    ],
)  # fmt: skip
def test_the_end_says_how_many_others_would_be_accepted_and_how_many_unknown(
    counts: Counts, labels: int, ends_with: str
) -> None:
    assert reached(counts, 0, labels, Path("f")).endswith(ends_with)


@pytest.mark.parametrize(
    ("counts", "by_folders", "said"),
    [
        (
            Counts(688, 211, 0, 48, 28, 0.66, 0.51, 0.79), 0,
            "211 of 688 images named by a person · of the 477 others 66% would be right (51 to "
            "79%, from 28 drawn by chance) · at 95% 48 of them are accepted and 429 come into "
            "unknown/",
        ),
        (
            Counts(688, 680, 2, 48, 7), 13,
            "667 of 688 images named by a person, 13 by their folders · 2 left out or not known · "
            "not measured yet: 7 of 24 drawn by chance are decided · at 95% 6 of the 6 others are "
            "accepted and 0 come into unknown/",
        ),
        (
            Counts(688, 24, 0, 48, 24), 0,
            "24 of 688 images named by a person · not measured yet · at 95% 48 of the 664 others "
            "are accepted and 616 come into unknown/",
        ),
        (Counts(688, 688, 0, 48, 28), 0, "688 of 688 images named by a person"),
    ],
)  # fmt: skip
def test_the_heading_says_what_is_measured_of_the_others(
    counts: Counts, by_folders: int, said: str
) -> None:
    assert heading(counts, by_folders) == said


def test_the_end_names_what_was_reached_and_three_commands(here: Path) -> None:
    path = Path("photos.labels.jsonl")
    said = reached(Counts(100, 20, 10, 0, 40, 0.75, 0.59, 0.91), 0, 3, path)
    assert said.startswith("20 of 100 images named by a person, 3 labels, in photos.labels.jsonl")
    assert "10 left out or not known" in said
    commands = [command for _, command in after_label("photos/", path, 3)]
    assert commands == [
        "hangtag train photos/ --labels",
        "hangtag classify photos/ --model photos -o photos.csv --accept 95%",
        "hangtag sort photos.csv --into photos-sorted --copy",
    ]
    assert after_label("photos/", path, 1) == []
    other = after_label("photos", Path("a b.jsonl"), 2)
    assert other[0][1] == "hangtag train photos '--labels=a b.jsonl'"
    unnamed = after_label("./\N{SNOWMAN}", path, 2)
    assert "--name photos" in unnamed[0][1]


@pytest.mark.parametrize(
    ("sure", "named", "warned"), [(0, 20, True), (1, 20, False), (0, 90, False)]
)
def test_the_end_warns_while_no_other_image_is_sure(sure: int, named: int, warned: bool) -> None:
    now = msgspec.structs.replace((Counts(100, named, 10, 0, 40, 0.75, 0.59, 0.91)), sure=sure)
    assert ("name more before they are sorted" in unsure(now)) == warned


def test_the_end_names_the_first_labels_with_too_few_images_and_what_a_training_needs() -> None:
    assert small_classes({"coat": 1}) == small_classes({"coat": 99, "hat": 99}) == ""
    few = small_classes({"coat": 99, "hat": 99, "bag": 1})
    assert few.startswith("bag has 1 image; a label of fewer than")
    assert "a training needs" in small_classes({"coat": 99, "bag": 1})
    many = {f"label {number}": 1 for number in range(7)}
    assert "label 4 has 1 image, 2 more have too few" in small_classes(many)


def test_five_unreadable_files_are_named_and_the_others_counted() -> None:
    lines = unread(DescribedFolder(1, 1, (), 0), list("abcdefg"))
    assert lines == [*(f"cannot be read: {name}" for name in "abcde"), "... and 2 more"]
    assert len(unread(DescribedFolder(1, 1, (), 0), list("abcde"))) == 5


def test_no_name_of_a_file_or_folder_controls_the_terminal() -> None:
    """Also one whose bytes are no text."""
    name = "\x1b]0;title\x07\n\udce9.jpg"
    expected = "cannot be read: \\x1b]0;title\\x07 \\xe9.jpg"
    assert unread(DescribedFolder(1, 1, (name,), 1), [name]) == [expected] * 2


def test_a_second_process_is_refused_before_it_reaches_a_broker(here: Path) -> None:
    held = LabelsFile(here / "photos.labels.jsonl")
    result = run("label", "photos")
    held.close()
    assert result.exit_code == Exit.USAGE
    assert "in use by another hangtag label" in result.output


@pytest.mark.parametrize("words", [("label", "photos"), ("review", "photos.csv")])
def test_a_page_without_its_packages_is_refused_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)  # as if it was not installed
    result = run(*words)
    assert result.exit_code == Exit.SETUP
    assert "pip install" in result.output
    assert "[review]" in result.output
