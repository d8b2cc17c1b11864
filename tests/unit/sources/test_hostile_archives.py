"""Archives that are damaged, lie or attack their reader cost rows with a reason, and no memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.sources.archives import archive as archives
from producer.sources.archives import gzip_archive
from producer.sources.archives.archive import Member, MemberIndex
from shared.errors import SetupError
from shared.image_status import Status
from tests.support.archives.archive_rows import rows_of, sources_of
from tests.support.archives.archive_writers import ENDINGS, write
from tests.support.archives.hostile_archives import HOSTILE, gzipped, made, tarred, zipped

#: An image by its first bytes; what a decoder thinks of it does not matter here.
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 12
FILES = {f"{folder}/{number}.png": IMAGE for folder in "ba" for number in range(3)}
#: Larger than what an archive of a few small members needs, smaller than any of the bombs.
MEMORY_BYTES = 16 << 20


@pytest.mark.parametrize("name", HOSTILE)
def test_every_member_is_a_row_or_counted_and_memory_is_bounded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip_archive, "FREE_BYTES", 1 << 25)
    hostile = HOSTILE[name]
    archive = tmp_path / f"photos{hostile.ending}"
    archive.write_bytes(made(name, IMAGE))
    if hostile.refused:
        with pytest.raises(
            SetupError, match=rf"^.*/photos{hostile.ending} cannot be read: [^\n]+$"
        ):
            sources_of(archive).check()
        return
    tracemalloc.start()
    try:
        found = rows_of(archive)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    contents = list(found.contents.values())
    assert contents.count(IMAGE) == hostile.good
    assert sum(isinstance(content, Status) for content in contents) == hostile.failed
    assert len(contents) == hostile.good + hostile.failed
    assert sum(found.skipped.values()) == hostile.skipped
    assert (found.reports == []) == hostile.complete
    assert peak_bytes < MEMORY_BYTES


@pytest.mark.parametrize("name", [name for name, hostile in HOSTILE.items() if not hostile.refused])
def test_a_walk_that_resumes_after_any_row_finds_the_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip_archive, "FREE_BYTES", 1 << 25)
    archive = tmp_path / f"photos{HOSTILE[name].ending}"
    archive.write_bytes(made(name, IMAGE))
    found = rows_of(archive)
    for number, row in enumerate(found.names, 1):
        rest = rows_of(archive, after=row)
        assert rest.names == found.names[number:]
        assert [rest.contents[name] for name in rest.names] == [
            found.contents[name] for name in rest.names
        ]
        assert rest.reports == found.reports


def test_names_that_lead_out_of_the_archive_have_the_number_of_their_member(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    archive.write_bytes(
        zipped(*((name, IMAGE) for name in ("a.png", "/a.png", "../a.png", "a.png")))
    )
    found = rows_of(archive)
    assert found.names == ["../a.png//3", "/a.png//2", "a.png", "a.png//4"]
    assert found.contents["a.png"] == IMAGE


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("limit", ["MEMBERS_MAX", "NAMES_MAX_BYTES"])
def test_an_archive_beyond_the_limits_is_refused_in_one_line(
    ending: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, limit, 9)
    archive = tmp_path / f"photos{ending}"
    named = [(f"{number}.png", IMAGE) for number in range(10)]
    archive.write_bytes(zipped(*named) if ending == ".zip" else tarred(*named))
    with pytest.raises(SetupError, match=r"photos\.[a-z]+ cannot be read: [^\n]* more than 9 "):
        sources_of(archive).check()


def test_a_compressed_archive_beyond_the_limits_has_rows_up_to_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MEMBERS_MAX", 9)
    archive = tmp_path / "photos.tar.gz"
    archive.write_bytes(gzipped(tarred(*((f"{number}.png", IMAGE) for number in range(20)))))
    found = rows_of(archive)
    assert len(found.names) == 9
    assert found.reports == ["it has more than 9 members"]


def test_a_million_members_have_some_bytes_each(tmp_path: Path) -> None:
    """Measured with some of them."""
    count = 20_000
    rows = [
        Member(b"%06d.png" % (number * 7 % count), b"f", number, 1, 1) for number in range(count)
    ]
    tracemalloc.start()
    try:
        index = MemberIndex(rows, rows.__getitem__)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(index) == count
    assert held < 16 * count


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(ENDINGS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0.1, 1),
)
def test_any_bytes_are_rows_or_one_line(
    tmp_path: Path, ending: str, changes: list[tuple[float, int]], length: float
) -> None:
    data = bytearray(write(tmp_path / f"photos{ending}", FILES).read_bytes())
    for place, byte in changes:
        data[int(place * len(data))] = byte
    archive = tmp_path / f"changed{ending}"
    archive.write_bytes(data[: int(length * len(data))])
    try:
        found = rows_of(archive)
    except SetupError:
        return
    for number, row in enumerate(found.names[:2], 1):
        assert rows_of(archive, after=row).names == found.names[number:]
