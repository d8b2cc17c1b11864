"""A picture that a person says does not have one name: what holds for it afterwards."""

from __future__ import annotations

import msgspec
import pytest

from shared.errors import BadMessage
from shared.labels.given_label import GivenLabel, LabelLine, RenamedLabel, decode, encode
from shared.labels.labels_so_far import Decided, LabelsSoFar

COAT, DRESS = "coat", "dress"
SHA256 = "a" * 64


def line(kind: str, label: str = "", *, undo: bool = False) -> GivenLabel:
    """About the one image."""
    return GivenLabel(SHA256, "p/a.png", label, "ann", 9, "00000000", "2026", undo, kind)  # type: ignore[arg-type]


def renamed(before: str, after: str, *, undo: bool = False) -> RenamedLabel:
    return RenamedLabel(before, after, "ann", "2026", undo)


def after(*lines: LabelLine) -> LabelsSoFar:
    """The state after these lines, which went through their bytes."""
    so_far = LabelsSoFar()
    for one in lines:
        so_far.add(decode(encode(one)))
    return so_far


def test_it_is_no_label_and_excludes_the_name() -> None:
    so_far = after(line("not-this", COAT))
    assert so_far.of(SHA256) is None
    assert so_far.excluded(SHA256) == (COAT,)
    assert so_far.labels() == {}
    assert list(so_far.undecided()) == [SHA256]


def test_each_name_is_excluded_by_itself() -> None:
    so_far = after(line("not-this", COAT), line("not-this", DRESS))
    assert so_far.excluded(SHA256) == (COAT, DRESS)


def test_it_takes_this_label_back_and_no_other() -> None:
    so_far = after(line("label", COAT), line("not-this", COAT))
    assert so_far.of(SHA256) is None
    assert so_far.labels() == {}
    assert after(line("label", DRESS), line("not-this", COAT)).of(SHA256) == Decided("label", DRESS)


def test_another_label_leaves_the_name_excluded() -> None:
    so_far = after(line("not-this", COAT), line("label", DRESS))
    assert so_far.of(SHA256) == Decided("label", DRESS)
    assert so_far.excluded(SHA256) == (COAT,)
    assert not so_far.undecided()


def test_the_name_given_later_is_not_excluded() -> None:
    so_far = after(line("not-this", COAT), line("label", COAT))
    assert so_far.of(SHA256) == Decided("label", COAT)
    assert so_far.excluded(SHA256) == ()


def test_undo_takes_it_back() -> None:
    so_far = after(
        line("not-this", COAT), line("not-this", DRESS), line("not-this", COAT, undo=True)
    )
    assert so_far.excluded(SHA256) == (DRESS,)


def test_that_it_was_taken_back_is_known() -> None:
    """A version may have learned it."""
    so_far = after(line("not-this", COAT), line("not-this", COAT, undo=True))
    assert list(so_far.undecided()) == [SHA256]
    assert so_far.of(SHA256) is None
    labelled = after(
        line("label", DRESS), line("not-this", COAT), line("not-this", COAT, undo=True)
    )
    assert labelled.of(SHA256) == Decided("label", DRESS)


def test_it_holds_since_it_was_said_or_renamed() -> None:
    def at(year: str, one: LabelLine) -> LabelLine:
        return msgspec.structs.replace(one, at=year)

    excluded = at("2027", line("not-this", COAT))
    assert after(line("left-out", undo=True), excluded).since(SHA256) == "2027"
    assert after(excluded, at("2028", renamed(COAT, "jacket"))).since(SHA256) == "2028"
    assert after(line("label", DRESS), excluded).since(SHA256) == "2026"


def test_who_gave_a_label_is_known_beside_names_that_others_excluded() -> None:
    """And whether the image was drawn by chance."""
    label = msgspec.structs.replace(line("label", DRESS), by="bob", by_chance=True)
    assert after(label, line("not-this", COAT)).line(SHA256) == label


def test_it_follows_a_rename_and_its_undo() -> None:
    excluded = line("not-this", COAT)
    assert after(excluded, renamed(COAT, "jacket")).excluded(SHA256) == ("jacket",)
    back = renamed(COAT, "jacket"), renamed(COAT, "jacket", undo=True)
    assert after(excluded, *back).excluded(SHA256) == (COAT,)
    undone = line("not-this", "jacket", undo=True)
    assert after(excluded, renamed(COAT, "jacket"), undone).excluded(SHA256) == ()


def test_a_merged_name_says_nothing_of_the_other() -> None:
    other = GivenLabel("b" * 64, "p/b.png", DRESS, "ann", 9, "00000000", "2026")
    assert after(other, line("not-this", COAT), renamed(COAT, DRESS)).excluded(SHA256) == ()


@pytest.mark.parametrize("kind", ["left-out", "cannot-tell"])
def test_other_kinds_leave_it(kind: str) -> None:
    assert after(line("not-this", COAT), line(kind)).excluded(SHA256) == (COAT,)


def test_a_line_without_the_name_is_refused() -> None:
    with pytest.raises(BadMessage):
        decode(encode(line("not-this")))


@pytest.mark.parametrize("kind", ["left-out", "cannot-tell"])
def test_what_has_no_label_gets_none_by_a_rename(kind: str) -> None:
    so_far = after(line(kind), renamed("", COAT))
    assert so_far.images() == {SHA256: Decided(kind)}  # type: ignore[arg-type]
    assert so_far.labels() == {}
