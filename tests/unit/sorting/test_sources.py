"""Rows are traced to their files, also where a user has named many files."""

from __future__ import annotations

import os
from pathlib import Path

from producer.job.job_options import JobOptions
from producer.sorting.plan import Sources, file_name
from producer.sources.source import path_of_address


def test_links_are_resolved_where_a_path_was_typed_and_not_below_folders(tmp_path: Path) -> None:
    (tmp_path / "real/sub").mkdir(parents=True)
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "real/link").symlink_to("sub")
    typed = (b"folder", b"folder/link/1.png", b"real/link/1.png")
    sources = Sources(JobOptions(typed, os.fsencode(tmp_path), "out.csv"))
    real = bytes(tmp_path / "real")
    assert sources.path(b"folder/sub/1.png") == real + b"/sub/1.png"
    assert sources.path(b"folder/link/2.png") == real + b"/link/2.png"
    assert sources.path(b"real/link/1.png") == real + b"/sub/1.png"


def test_an_address_has_a_path_of_its_own_and_its_copy_a_name(tmp_path: Path) -> None:
    sources = Sources(JobOptions((b"s3://b/",), os.fsencode(tmp_path), "out.csv"))
    for address, name in ((b"s3://b/1.png", b"1.png"), (b"s3://b/..", b"image"),
                          (b"https://h/", b"image")):  # fmt: skip
        path = sources.path(address)
        assert (path, file_name(path)) == (path_of_address(address), name)
