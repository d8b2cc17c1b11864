"""What a person says of the name of a class folder, and which images have a label by it alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.errors import BadMessage
from shared.labels.given_label import FolderName, GivenLabel, LabelLine, decode, encode
from shared.labels.labels_so_far import LabelsSoFar

IMAGE, OTHER = "a" * 64, "b" * 64


def label(sha256: str, taken_from: str = "Coat/", *, undo: bool = False) -> GivenLabel:
    return GivenLabel(
        sha256, "p", "Coat", "ada", 9, "0" * 8, "now", undo=undo, taken_from=taken_from
    )


def said(is_label: bool, *, undo: bool = False) -> FolderName:
    return FolderName("Coat/", is_label, "ada", "now", undo)


def after(*lines: LabelLine) -> LabelsSoFar:
    """The state after these lines, which went through their bytes."""
    so_far = LabelsSoFar()
    for one in lines:
        so_far.add(decode(encode(one)))
    return so_far


@pytest.mark.parametrize(
    ("lines", "by_folders"),
    [
        ([label(IMAGE)], {IMAGE}),
        ([label(IMAGE), said(True)], set()),
        ([said(True), label(IMAGE)], set()),
        ([label(IMAGE), said(False)], {IMAGE}),
        ([label(IMAGE), said(True), said(True, undo=True)], {IMAGE}),
        ([label(IMAGE), label(IMAGE, undo=True)], set()),
        ([label(IMAGE), label(IMAGE, "")], set()),  # a decision of the page
        ([label(IMAGE), label(IMAGE, "old.csv")], set()),
        ([label(IMAGE, "Hat/"), label(OTHER), said(True)], {IMAGE}),
    ],
)
def test_a_label_is_by_its_folder_alone_until_a_person_confirms_the_name(
    lines: Sequence[LabelLine], by_folders: set[str]
) -> None:
    assert after(*lines).by_folders() == by_folders


def test_the_last_line_about_a_folder_holds() -> None:
    assert after(said(True), said(False)).folders == {"Coat/": False}
    assert after(said(True), said(True, undo=True)).folders == {}


def test_it_is_no_label_and_about_no_image() -> None:
    so_far = after(said(True))
    assert (so_far.images(), so_far.labels(), so_far.undecided()) == ({}, {}, {})


def test_a_line_with_other_fields_is_refused() -> None:
    with pytest.raises(BadMessage):
        decode(b'{"folder":"Coat/","by":"ada","at":"now"}\n')
