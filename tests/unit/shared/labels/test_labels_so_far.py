"""What holds for images after some lines: labels, renames, names that an image does not have, and
names of class folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.labels.label_line import LabelLine, decode, encode
from shared.labels.labels_so_far import Decided, LabelsSoFar
from tests.support.jobs.decided import line_of

NAMES = ("shirt", "coat", "hat", "a/b")
COAT, DRESS = "coat", "dress"
SHA256 = line_of(b"").sha256


def line(kind: str, label: str = "", *, undo: bool = False) -> LabelLine:
    """About the one image."""
    return of(0, label, kind=kind, undo=undo, at="2026")


def of(image: int, label: str = "shirt", **more: object) -> LabelLine:
    """About one of several images, of which each has a size."""
    return line_of(bytes(image), label, **more)


def renamed(before: str, after: str, *, undo: bool = False) -> LabelLine:
    return LabelLine(kind="rename", taken_from=before, label=after, by="ann", at="2026", undo=undo)


def after(*lines: LabelLine) -> LabelsSoFar:
    """The state after these lines, which went through their bytes."""
    return LabelsSoFar(decode(encode(one)) for one in lines)


@st.composite
def drawn(draw: st.DrawFn) -> LabelLine:
    if draw(st.integers(0, 4)) == 0:
        before, later, *_ = draw(st.permutations(NAMES))
        return renamed(before, later, undo=draw(st.booleans()))
    kind = draw(st.sampled_from(("label", "label", "left-out", "cannot-tell")))
    label = draw(st.sampled_from(NAMES)) if kind == "label" else ""
    return of(draw(st.integers(0, 3)), label, kind=kind, undo=draw(st.integers(0, 5)) == 0)


def expected(lines: Sequence[LabelLine]) -> dict[str, Decided]:
    """The same in other words: each step on all images, from the start."""
    taken = set[int]()
    for number, one in enumerate(lines):
        if one.kind == "rename" and one.undo:
            same = [
                i
                for i, other in enumerate(lines[:number])
                if other == renamed(one.taken_from, one.label) and i not in taken
            ]
            taken.update(same[-1:])
    state = dict[str, Decided | None]()
    for number, one in enumerate(lines):
        if one.sha256:
            state[one.sha256] = None if one.undo else Decided(one.kind, one.label)  # type: ignore[arg-type]
        elif not one.undo and number not in taken:
            before = Decided("label", one.taken_from)
            state = {
                key: Decided("label", one.label) if now == before else now
                for key, now in state.items()
            }
    return {key: now for key, now in state.items() if now is not None}


@given(st.lists(drawn(), max_size=12))
def test_the_last_line_holds_and_renames_count_for_what_was_there(lines: list[LabelLine]) -> None:
    """The lines that say the same have no renames."""
    so_far = after(*lines)
    assert so_far.images() == expected(lines)
    labels = (decided.label for decided in expected(lines).values())
    assert so_far.labels() == Counter(filter(None, labels))
    again = list(so_far.lines())
    assert {one.kind for one in again} <= {"label", "left-out", "cannot-tell"}
    assert after(*again).images() == expected(lines)
    assert {one.sha256 for one in again} == {one.sha256 for one in lines} - {""}


def test_a_rename_that_is_taken_back_counts_for_nothing_and_others_stay() -> None:
    so_far = after(of(0, "coat"), of(1, "hat"), renamed("coat", "a"), renamed("hat", "b"))
    so_far.add([renamed("coat", "a", undo=True)])
    assert list(so_far.labels()) == ["coat", "b"]
    assert so_far.line("unknown") is None


def test_it_is_no_label_and_excludes_the_name() -> None:
    so_far = after(line("not-this", COAT))
    assert so_far.of(SHA256) is None
    assert so_far.excluded(SHA256) == (COAT,)
    assert so_far.labels() == {}
    assert [one.kind for one in so_far.lines()] == ["not-this"]


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
    assert [one.undo for one in so_far.lines()] == [True]
    assert so_far.of(SHA256) is None
    labelled = after(
        line("label", DRESS), line("not-this", COAT), line("not-this", COAT, undo=True)
    )
    assert labelled.of(SHA256) == Decided("label", DRESS)


def test_it_holds_since_it_was_said_or_renamed() -> None:
    def at(year: str, one: LabelLine) -> LabelLine:
        return msgspec.structs.replace(one, at=year)

    def since(*lines: LabelLine) -> list[str]:
        return [one.at for one in after(*lines).lines()]

    excluded = at("2027", line("not-this", COAT))
    assert since(line("left-out", undo=True), excluded) == ["2026", "2027"]
    assert since(excluded, at("2028", renamed(COAT, "jacket"))) == ["2028"]
    assert since(line("label", COAT), at("2028", renamed(COAT, "jacket"))) == ["2028"]


def test_the_later_of_a_label_and_its_exclusion_ends_the_other_one_for_good() -> None:
    """Where nothing restores it, as an undo of the page does."""
    label, excluded = line("label", COAT), line("not-this", COAT)
    for first, second, kind in ((excluded, label, "label"), (label, excluded, "not-this")):
        so_far = after(line("not-this", DRESS), first, second, line(kind, COAT, undo=True))
        assert so_far.of(SHA256) is None
        assert so_far.excluded(SHA256) == (DRESS,)


def test_a_name_that_a_rename_gives_is_no_longer_excluded() -> None:
    so_far = after(line("label", COAT), line("not-this", DRESS), renamed(COAT, DRESS))
    assert (so_far.of(SHA256), so_far.excluded(SHA256)) == (Decided("label", DRESS), ())


def test_a_label_that_a_name_hides_is_in_no_version() -> None:
    so_far = after(line("label", COAT), line("not-this", COAT))
    assert so_far.labelled() == []
    assert after(line("label", COAT), *so_far.lines()).of(SHA256) is None


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
    assert after(of(1, DRESS), line("not-this", COAT), renamed(COAT, DRESS)).excluded(SHA256) == ()


@pytest.mark.parametrize("kind", ["left-out", "cannot-tell"])
def test_other_kinds_leave_it(kind: str) -> None:
    assert after(line("not-this", COAT), line(kind)).excluded(SHA256) == (COAT,)


def by_folder(image: int, taken_from: str = "Coat/", *, undo: bool = False) -> LabelLine:
    return of(image, "Coat", taken_from=taken_from, undo=undo)


def said(is_label: bool, *, undo: bool = False) -> LabelLine:
    name = "Coat" if is_label else ""
    return LabelLine(kind="folder", taken_from="Coat/", label=name, by="ada", at="now", undo=undo)


@pytest.mark.parametrize(
    ("lines", "images"),
    [
        ([by_folder(0)], {0}),
        ([by_folder(0), said(True)], set()),
        ([said(True), by_folder(0)], set()),
        ([by_folder(0), said(False)], {0}),
        ([by_folder(0), said(True), said(True, undo=True)], {0}),
        ([by_folder(0), by_folder(0, undo=True)], set()),
        ([by_folder(0), by_folder(0, "")], set()),  # a decision of the page
        ([by_folder(0), by_folder(0, "old.csv")], set()),
        ([by_folder(0), of(0, "Coat", kind="not-this")], set()),
        ([by_folder(0, "Hat/"), by_folder(1), said(True)], {0}),
    ],
)
def test_a_label_is_by_its_folder_alone_until_a_person_confirms_the_name(
    lines: Sequence[LabelLine], images: set[int]
) -> None:
    assert after(*lines).by_folders() == {of(image).sha256 for image in images}


def test_the_last_line_about_a_folder_holds() -> None:
    assert after(said(True), said(False)).folders == {"Coat/": False}
    assert after(said(True), said(True, undo=True)).folders == {}
    so_far = after(said(True))
    assert (so_far.images(), so_far.labels(), list(so_far.lines())) == ({}, {}, [])
