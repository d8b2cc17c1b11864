"""What a job classifies, from what Python gives: any number of paths is never all in memory."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from hangtag.images import image_list

PATHS = 50_000
MOST_BYTES = 500_000


def test_a_list_of_any_length_is_written_to_a_file_as_it_comes() -> None:
    names = (f"in/{number:06}.png" for number in range(PATHS))
    tracemalloc.start()
    with image_list(names) as images:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert images.listed is not None
        content = images.listed.read()
    print(f"{most:,} bytes")
    assert most < MOST_BYTES
    assert content.count(b"\0") == PATHS
    assert content.startswith(b"in/000000.png\0in/000001.png\0")


@pytest.mark.parametrize("path", ["a/", b"a/", Path("a"), "a/*.png", "s3://bucket/a", "a.zip"])
def test_one_path_is_a_root(path: str | bytes | Path) -> None:
    with image_list(path) as images:
        assert (images.roots, images.listed) == ((os.fsencode(path),), None)


def test_folders_archives_and_buckets_in_a_list_are_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b.zip").touch()
    with image_list(["a", Path("b.zip"), "s3://bucket/c/"]) as images:
        assert images.roots == (b"a", b"b.zip", b"s3://bucket/c/")
    with image_list(["s3://bucket/c.png", "d.zip"]) as images:  # an object, and no file
        assert images.listed is not None


def test_a_name_of_other_bytes_than_utf8_is_kept() -> None:
    name = os.fsdecode(b"\xff\n.png")
    with image_list([name, "b.png"]) as images:
        assert images.listed is not None
        assert images.listed.read() == b"\xff\n.png\0b.png\0"
