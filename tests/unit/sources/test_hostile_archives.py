"""Archives that are damaged, lie or attack their reader cost rows with a reason, and no memory."""

from __future__ import annotations

import os
import tracemalloc
import zlib
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
from tests.support.archives.hostile_archives import HOSTILE, block, gzipped, made, tarred, zipped

#: An image by its first bytes; what a decoder thinks of it does not matter here.
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 12
FILES = {f"{folder}/{number}.png": IMAGE for folder in "ba" for number in range(3)}
#: Larger than what an archive of a few small members needs, smaller than any of the bombs.
MEMORY_BYTES = 16 << 20


@pytest.mark.parametrize("name", HOSTILE)
def test_every_member_is_a_row_or_counted_from_any_row_on_and_memory_is_bounded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip_archive, "FREE_BYTES", 1 << 25)
    hostile = HOSTILE[name]
    archive = tmp_path / f"photos{hostile.ending}"
    archive.write_bytes(made(name, IMAGE))
    if hostile.refused:
        with pytest.raises(
            SetupError, match=rf"^.*/photos{hostile.ending} cannot be read: {hostile.refused}; "
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
    for number, row in enumerate(found.names, 1):
        rest = rows_of(archive, after=row)
        assert list(rest.contents.items()) == list(found.contents.items())[number:]
        assert rest.reports == found.reports


@pytest.mark.parametrize("cut_bytes", [1, 4, 18])
def test_a_zip_that_is_cut_off_in_its_end_is_refused(cut_bytes: int, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    archive.write_bytes(zipped(("a.png", IMAGE))[:-cut_bytes])
    with pytest.raises(SetupError, match="it is no zip archive, or its end is missing"):
        sources_of(archive).check()


def test_names_that_lead_out_of_the_archive_have_the_number_of_their_member(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    names = ("a.png", "/a.png", "../a.png", "a.png", "/" + 4_094 * "a", "/" + 4_095 * "a")
    archive.write_bytes(zipped(*((name, IMAGE) for name in names)))
    found = rows_of(archive, glob="*a*")
    long = [f"/{999 * 'a'}//6", f"/{4_094 * 'a'}//5"]
    assert found.names == ["../a.png//3", "/a.png//2", *long, "a.png", "a.png//4"]
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


def test_a_tar_has_members_in_8_tib(tmp_path: Path) -> None:
    archive = tmp_path / "photos.tar"
    for size in ((1 << 43) - 1024, (1 << 43) - 512):
        with archive.open("wb") as file:
            file.write(block(b"a.png", b"\x80" + size.to_bytes(11, "big")))
            file.seek(size, os.SEEK_CUR)
            file.write(tarred(("b.png", IMAGE)))
        if size % 1024 == 0:
            assert rows_of(archive).contents == {"a.png": Status.TOO_LARGE, "b.png": IMAGE}
    with pytest.raises(SetupError, match="it has more than 8,796,093,022,207 bytes"):
        sources_of(archive).check()


def test_places_in_a_compressed_archive_to_go_back_to_are_bounded_and_spread() -> None:
    states, positions = gzip_archive.States(), range(0, 1 << 30, 1 << 17)
    for position in [*positions, *positions]:
        states.offer(position, position, zlib.decompressobj())
    places = [states.last_before(position).position for position in positions]
    assert len(set(places)) <= 64
    assert (
        max(places[0], *(at - place for at, place in zip(positions, places, strict=True)))
        <= (1 << 30) // 32
    )


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
