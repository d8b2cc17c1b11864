"""Every label that was reported as saved is read again, whatever a crash left behind it, and one
process at a time has the file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import failpoints
from shared.errors import BadMessage, SetupError, UsageError
from shared.labels import labels_file
from shared.labels.given_label import (
    GivenLabel,
    RenamedLabel,
    check,
    decode,
    encode,
)
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided, LabelsSoFar

NAMES = ("shirt", "coat", "hat", "a/b")
POINTS = ("corrections.written", "corrections.appended")


def line(key: int = 0, label: str = "shirt", **more: object) -> GivenLabel:
    fields = {"path": "p/1.jpg", "by": "ada", "size": 9, "crc32": "0" * 8, "at": "now"} | more
    return GivenLabel(sha256=f"{key:064x}", label=label, **fields)  # type: ignore[arg-type]


def rename(before: str, after: str, undo: bool = False) -> RenamedLabel:
    return RenamedLabel(before, after, "ada", "now", undo)


@st.composite
def lines(draw: st.DrawFn) -> GivenLabel | RenamedLabel:
    if draw(st.integers(0, 4)) == 0:
        before, after, *_ = draw(st.permutations(NAMES))
        return rename(before, after, undo=draw(st.booleans()))
    kind = draw(st.sampled_from(("label", "label", "left-out", "cannot-tell")))
    label = draw(st.sampled_from(NAMES)) if kind == "label" else ""
    return line(draw(st.integers(0, 3)), label, kind=kind, undo=draw(st.integers(0, 5)) == 0)


def expected(given: Sequence[GivenLabel | RenamedLabel]) -> dict[str, Decided]:
    """The same in other words: each step on all images, from the start."""
    taken = set[int]()
    for number, one in enumerate(given):
        if isinstance(one, RenamedLabel) and one.undo:
            same = [
                i
                for i, other in enumerate(given[:number])
                if other == rename(one.rename, one.label) and i not in taken
            ]
            taken.update(same[-1:])
    state = dict[str, Decided | None]()
    for number, one in enumerate(given):
        if isinstance(one, GivenLabel):
            state[one.sha256] = None if one.undo else Decided(one.kind, one.label)
        elif not one.undo and number not in taken:
            renamed = Decided("label", one.label)
            before = Decided("label", one.rename)
            state = {key: renamed if now == before else now for key, now in state.items()}
    return {key: now for key, now in state.items() if now is not None}


@given(lines())
def test_a_line_is_one_decision(decision: GivenLabel | RenamedLabel) -> None:
    assert encode(decision).count(b"\n") == 1
    assert decode(encode(decision)) == decision


@given(st.lists(lines(), max_size=12))
def test_the_last_line_holds_and_renames_count_for_what_was_there(
    given_lines: list[GivenLabel | RenamedLabel],
) -> None:
    so_far = LabelsSoFar()
    for one in given_lines:
        so_far.add(one)
    assert so_far.images() == expected(given_lines)
    labels = (decided.label for decided in expected(given_lines).values())
    assert so_far.labels() == Counter(filter(None, labels))
    for key in range(4):
        assert so_far.of(f"{key:064x}") == expected(given_lines).get(f"{key:064x}")


@given(st.lists(st.lists(lines(), min_size=1, max_size=3), max_size=3), lines(), st.data())
def test_saved_lines_survive_a_torn_one(
    tmp_path_factory: pytest.TempPathFactory,
    groups: list[list[GivenLabel | RenamedLabel]],
    torn: GivenLabel | RenamedLabel,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("labels") / "p.labels.jsonl"
    saved: list[GivenLabel | RenamedLabel] = []
    for group in groups:
        file = LabelsFile(path)
        assert file.so_far.images() == expected(saved)
        file.append(group)
        file.close()
        saved += group
        with path.open("ab") as end:
            end.write(encode(torn)[: data.draw(st.integers(0, len(encode(torn)) - 2))])
        assert labels_file.read(path).images() == expected(saved)


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_dies_at_any_step_loses_nothing_that_was_saved(
    tmp_path: Path, point: str
) -> None:
    path = tmp_path / "p.labels.jsonl"
    group = [line(1, "coat"), line(2, "coat")]
    child = os.fork()
    if not child:
        file = LabelsFile(path)
        file.append([line(0)])
        failpoints.watch(lambda passed: os._exit(9) if passed == point else None)
        file.append(group)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    again = LabelsFile(path)  # the dead process holds no lock
    assert set(again.so_far.images()) in ({line(0).sha256}, {f"{key:064x}" for key in range(3)})
    again.append(group)
    assert len(again.so_far.images()) == 3
    again.close()


def test_a_rename_that_is_taken_back_counts_for_nothing_and_others_stay() -> None:
    so_far = LabelsSoFar()
    for one in (line(0, "coat"), line(1, "hat"), rename("coat", "a"), rename("hat", "b")):
        so_far.add(one)
    so_far.add(rename("coat", "a", undo=True))
    assert list(so_far.labels()) == ["coat", "b"]
    assert so_far.line("unknown") is None


def test_a_label_keeps_its_place_whatever_other_images_get() -> None:
    so_far = LabelsSoFar()
    for one in (line(0, "coat"), line(1, "coat"), line(2, "hat"), line(0, "scarf")):
        so_far.add(one)
    assert list(so_far.labels()) == ["coat", "hat", "scarf"]
    so_far.add(rename("coat", "a"))
    assert list(so_far.labels()) == ["a", "hat", "scarf"]
    so_far.add(rename("hat", "scarf"))
    assert list(so_far.labels()) == ["a", "scarf"]
    so_far.add(rename("hat", "scarf", undo=True))
    assert list(so_far.labels()) == ["a", "hat", "scarf"]
    so_far.add(line(1, "hat"))
    so_far.add(line(1, "a"))
    assert list(so_far.labels()) == ["a", "hat", "scarf"]


def test_labels_are_counted_without_a_walk_over_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    so_far = LabelsSoFar()
    for key in range(9):
        so_far.add(line(key))
    monkeypatch.setattr(so_far, "images", None)
    so_far.add(line(9, "coat"))
    so_far.add(rename("coat", "hat"))
    assert so_far.labels() == {"shirt": 9, "hat": 1}


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.labels.jsonl"
    first = LabelsFile(path)
    with pytest.raises(UsageError, match="in use by another hangtag label"):
        LabelsFile(path)
    first.append([line(0)])  # the refused one has left the file
    first.close()
    LabelsFile(path).close()


def test_a_file_without_a_line_is_removed_unless_it_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "p.labels.jsonl"
    LabelsFile(path).close()
    assert not path.exists()
    moved, gone = LabelsFile(path), path.rename(tmp_path / "elsewhere")
    path.write_bytes(b"")
    moved.close()
    assert path.exists()
    removed = LabelsFile(path)
    path.unlink()
    removed.close()
    assert gone.exists()


@pytest.mark.parametrize("how", ["removed", "replaced", "changed"])
def test_a_file_that_changes_beside_the_process_is_not_written(tmp_path: Path, how: str) -> None:
    path = tmp_path / "p.labels.jsonl"
    file = LabelsFile(path)
    file.append([line(0)])
    saved = path.read_bytes()
    if how == "changed":
        path.write_bytes(saved.replace(b"shirt", b"skirt"))
    else:
        path.rename(tmp_path / "elsewhere")
    if how == "replaced":
        path.write_bytes(saved)
    before = {found: found.read_bytes() for found in tmp_path.iterdir()}
    with pytest.raises(SetupError, match=r"p\.labels\.jsonl"):
        file.append([line(1)])
    assert {found: found.read_bytes() for found in tmp_path.iterdir()} == before
    file.close()


def test_a_link_or_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(SetupError):
            LabelsFile(tmp_path / name)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "not a label"),
        (encode(line()).replace(b"0" * 64, b"0" * 63).strip(), "sha256 is not"),
        (encode(line()).replace(b'"shirt"', b'"a\\\\b"').strip(), "has a backslash"),
        (encode(line(label="unknown")).strip(), "reserved"),
        (encode(rename("shirt", "unknown")).strip(), "reserved"),
        (encode(line(kind="left-out")).strip(), "label and kind do not agree"),
        (encode(line()).replace(b'"kind"', b'"form"').strip(), "update Hangtag"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(tmp_path: Path, text: bytes, why: str) -> None:
    path = tmp_path / "p.labels.jsonl"
    path.write_bytes(encode(line()) + text + b"\n" + encode(line()))
    with pytest.raises(SetupError, match=rf"p\.labels\.jsonl:2: .*{why}"):
        labels_file.read(path)


def test_the_name_of_a_label_is_that_of_a_class_folder() -> None:
    for bad in ("", ".a", "a.", "nul", "x" * 256, "a\nb"):
        if bad:
            with pytest.raises(BadMessage):
                check(line(label=bad))
    check(line(label="a/b"))
    check(line(label="unknown", undo=True))


def test_the_file_of_a_folder_is_in_the_current_folder() -> None:
    assert labels_file.default_path("/data/photos/") == Path("photos.labels.jsonl")
