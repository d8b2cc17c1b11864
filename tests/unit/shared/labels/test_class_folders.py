"""One reversible rule makes labels the names of class folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UsageError
from shared.labels.class_folders import (
    RESERVED,
    ClassFolders,
    folded,
    problem,
    problem_beside,
)
from shared.registry import packaged

#: Few letters, so that labels collide; `ß` and `ss`, `é` in two compositions, are equal for some.
LETTERS = st.sampled_from("aAbB/_~2 .ßsS\u00e9e\u0301\u00c9")
LABELS = st.text(LETTERS, min_size=1, max_size=5).filter(lambda label: not problem(label))


def test_the_folders_of_the_packaged_model_are_as_before() -> None:
    labels = packaged.card().labels
    folders = ClassFolders(labels)
    assert {label: folders.folder(label) for label in labels} == {
        label: label.replace("/", "_") for label in labels
    }
    assert folders.label("T-shirt_top") == "T-shirt/top"
    assert folders.label("Unicorn") is None


def test_labels_of_a_model_may_be_any() -> None:
    check = problem_beside(["..", "coat"])
    assert check("..") == check("hat") == ""
    assert check("../x") == problem("../x") != ""


@given(st.sets(LABELS, max_size=12))
def test_every_label_has_its_own_folder_also_where_case_does_not_count(labels: set[str]) -> None:
    folders = ClassFolders(labels)
    names = {label: folders.folder(label) for label in labels}
    assert len({folded(name) for name in names.values()}) == len(labels)
    assert all(folders.label(name) == label for label, name in names.items())
    assert all("/" not in name for name in names.values())


@given(st.lists(LABELS, max_size=12))
def test_the_order_of_the_labels_does_not_matter(labels: list[str]) -> None:
    one, other = ClassFolders(labels), ClassFolders(reversed(labels))
    assert [one.folder(label) for label in labels] == [other.folder(label) for label in labels]


@given(st.sets(LABELS, max_size=12))
def test_a_label_that_is_its_folders_name_keeps_it(labels: set[str]) -> None:
    folders = ClassFolders(labels)
    plain = [label for label in labels if "/" not in label]
    alone = [one for one in plain if [folded(other) for other in plain].count(folded(one)) == 1]
    assert [folders.folder(label) for label in alone] == alone
    assert ClassFolders({"a/b", "a_b"}).folder("a_b") == "a_b"
    assert ClassFolders({"a/b", "a_b"}).folder("a/b") == "a_b~2"


@pytest.mark.parametrize(
    "label",
    [
        "", ".", "..", ".hidden", "a.", "a ", "a\\b", "a\nb", "a\x1bb", "a\0b", "\u202eb", "CON",
        "con.txt", "Lpt1", "nul", "x" * 256, "é" * 128, "\udc80", *RESERVED, "Unknown", "FAILED",
    ],
)  # fmt: skip
def test_a_label_that_can_be_no_folder_is_refused(label: str) -> None:
    assert problem(label)
    with pytest.raises(UsageError, match="label") as caught:
        ClassFolders(["a", label])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("label", ["a\u00a0b", "\U0001f469\u200d\U0001f52c", "a\nb"])
def test_a_character_that_is_not_printable_is_the_reason_of_a_refusal(label: str) -> None:
    assert "not printable" in problem(label)
    assert "backslash" in problem("a\\b")
    assert "backslash" not in problem(label)


@given(st.sets(LABELS, max_size=8))
def test_the_folders_can_be_made(
    tmp_path_factory: pytest.TempPathFactory, labels: set[str]
) -> None:
    where: Path = tmp_path_factory.mktemp("classes")
    folders = ClassFolders(labels)
    for label in labels:
        (where / folders.folder(label)).mkdir()
    assert {folders.label(name) for name in os.listdir(where)} == labels
