"""Every decision that was reported as saved is read again, after any crash, and one
process at a time holds the file of a folder."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import failpoints, file_lock
from shared.errors import SetupError, UsageError
from shared.labels import labels_file
from shared.labels.class_folders import problem_beside
from shared.labels.label_line import LabelLine, encode
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.numbered_line import numbered
from tests.support.durability import syscall_trace
from tests.support.durability.disk_model import Disk
from tests.support.jobs.decided import line_of, lines_in

POINTS = ("corrections.written", "corrections.appended")


def line(key: int = 0, label: str = "shirt", **more: object) -> LabelLine:
    return line_of(bytes(key), label, **more)


def rename(before: str, after: str) -> LabelLine:
    return LabelLine(kind="rename", taken_from=before, label=after, by="ada", at="now")


def beside(path: Path) -> LabelsFile:
    """A file that other processes write, too."""
    return LabelsFile(path, held=False)


LINES = st.builds(line, st.integers(0, 3), st.sampled_from(["shirt", "coat"]), undo=st.booleans())


@given(
    st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=3), LINES, st.booleans(), st.data()
)
def test_saved_lines_survive_a_torn_one(
    tmp_path_factory: pytest.TempPathFactory,
    groups: list[list[LabelLine]],
    torn: LabelLine,
    held: bool,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("labels") / "p.labels.jsonl"
    saved: list[LabelLine] = []
    for group in groups:
        file = LabelsFile(path, held=held)
        assert file.so_far.images() == LabelsSoFar(saved).images()
        file.append(group)
        file.close()
        saved += group
        with path.open("ab") as end:
            end.write(encode(torn)[: data.draw(st.integers(0, len(encode(torn)) - 2))])
        assert labels_file.read(path).so_far.images() == LabelsSoFar(saved).images()


@given(LINES, LINES)
def test_a_last_line_without_an_end_counts(
    tmp_path_factory: pytest.TempPathFactory, edited: LabelLine, later: LabelLine
) -> None:
    path = tmp_path_factory.mktemp("log") / "p"
    path.write_bytes(encode(edited).rstrip(b"\n"))
    beside(path).append([later])
    assert lines_in(path) == [edited, later]


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
    assert set(again.so_far.images()) in ({line(0).sha256}, {line(n).sha256 for n in range(3)})
    again.append(group)
    assert len(again.so_far.images()) == 3
    again.close()


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
        for held in (True, False):
            with pytest.raises(SetupError):
                LabelsFile(tmp_path / name, held=held).append([line()])
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "not a decision"),
        (encode(line(label="../evil")), "the label '../evil' cannot name a class folder"),
        (encode(line(label="a\\b")), "has a backslash"),
        (encode(line(label="unknown")), "reserved"),
        (encode(rename("shirt", "unknown")), "reserved"),
        (
            encode(line()).replace(b'"by"', b'"form"'),
            "'form' is unknown to .*; update Hangtag",
        ),
    ],
)
def test_a_wrong_line_is_named_with_its_number_and_stays(
    tmp_path: Path, text: bytes, why: str
) -> None:
    path = tmp_path / "p.labels.jsonl"
    path.write_bytes(encode(line()) + text.strip() + b"\n" + encode(line()))
    before = path.read_bytes()
    for read in (labels_file.read, LabelsFile):
        with pytest.raises(SetupError, match=rf"p\.labels\.jsonl:2: .*{why}"):
            read(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("label", ["unknown", "dot.", "trail ", "con", "a\nb"])
def test_only_labels_of_the_model_and_names_that_no_image_has_need_not_name_a_folder(
    tmp_path: Path, label: str
) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    allowed = [line(1, label, undo=True), line(2, label, kind="not-this")]
    beside(path).append(allowed)
    assert lines_in(path) == allowed
    LabelsFile(path, problem_beside([label]), held=False).append([line(3, label)])
    assert labels_file.read(path, problem_beside([label])).so_far.labels() == {label: 1}
    with pytest.raises(SetupError, match=":3: the label "):
        labels_file.read(path)
    assert labels_file.complete_size(path) == path.stat().st_size


def test_a_writer_waits_for_another(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    other = os.open(path, os.O_RDWR | os.O_CREAT)
    file_lock.acquire(other)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(beside(path).append, [line()])
        with pytest.raises(TimeoutError):
            writing.result(timeout=0.3)
        assert path.read_bytes() == b""
        os.close(other)
        writing.result(timeout=10)
    assert lines_in(path) == [line()]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    beside(path).append([line()])
    before = path.read_bytes()
    pid = os.fork()
    if not pid:  # in a child, since the limit of a process cannot be raised again
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, len(before) + 10))
        try:
            beside(path).append([line()])
        except SetupError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert path.read_bytes() == before


#: Saves a decision twice, and says so each time.
SAVING = """
import os, sys
from pathlib import Path
from shared.labels.label_line import decode
from shared.labels.labels_file import LabelsFile
for line in sys.stdin.buffer:
    file = LabelsFile(Path(sys.argv[1]), held=sys.argv[2] == "held")
    file.append([decode(line)])
    os.write(1, b"saved")
    file.close()
"""


@pytest.mark.parametrize("held", ["held", "beside"])
def test_a_power_failure_undoes_nothing_that_was_reported_as_saved(
    tmp_path: Path, held: str
) -> None:
    path, trace = tmp_path / "log" / "t.csv.corrections.jsonl", tmp_path / "trace"
    path.parent.mkdir()
    command = [*syscall_trace.command(trace), sys.executable, "-c", SAVING, str(path), held]
    subprocess.run(command, input=encode(line()) * 2, check=True, capture_output=True)
    disk, saved = Disk(path.parent), 0
    for call in syscall_trace.calls(trace):
        if call.data == b"saved":
            saved += 1
            assert disk.holds(numbered(encode(line()), saved), path.name)
            assert disk.at_risk == set()
        disk.apply(call)
    assert saved == 2


OTHERS = [line(0, label) for label in ("Bag", "Boot")]


@pytest.mark.parametrize("how", ["removed", "replaced", "overwritten", "shortened", "edited"])
def test_a_file_that_has_no_longer_what_was_read_is_an_error(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "t.csv.corrections.jsonl", tmp_path / "other"
    file = beside(path)
    file.append([line(), *OTHERS * 20])  # more than is compared each time
    assert len(file.refresh()) == 41
    whole = path.read_bytes()
    if how == "removed":
        path.unlink()
    elif how == "replaced":
        beside(other).append([*OTHERS, *OTHERS])
        other.replace(path)
    elif how == "overwritten":  # as cp does
        path.write_bytes(whole.replace(b"Boot", b"Belt") + whole)
    elif how == "shortened":
        path.write_bytes(whole[:-10])
    else:  # an editor writes another file
        other.write_bytes(whole.replace(b"shirt", b"skirt", 1))
        other.replace(path)
    for _ in range(2):
        with pytest.raises(SetupError, match="removed or changed"):
            file.refresh()
    other.write_bytes(whole)
    other.replace(path)
    assert file.refresh() == []
    file.append(OTHERS)
    assert file.refresh() == OTHERS
