"""The sources of a job: which argument is of which kind is decided once, when it starts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import pytest

from producer.inputs.job_options import JobOptions, decode_options, encode_options
from producer.sources.job_sources import JobSources
from producer.sources.walk import Walk
from shared.errors import SetupError


def options(folder: Path, *roots: bytes) -> JobOptions:
    return JobOptions(roots, bytes(folder), "/out.csv")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.png", b"a")
    return path


def test_an_archive_stays_one_when_a_folder_has_its_name(archive: Path) -> None:
    started = JobSources(options(archive.parent, b"x.zip")).options
    archive.unlink()
    archive.mkdir()
    (archive / "b.png").write_bytes(b"b")
    resumed = JobSources(decode_options(encode_options(started)))
    with pytest.raises(SetupError, match=r"x\.zip cannot be read"):
        next(Walk(resumed).paths())


def test_a_kind_that_only_a_newer_version_has_is_refused_in_one_line(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(options(tmp_path, b"a"), file_roots=(), kinds=("tape",))
    with pytest.raises(SetupError, match=r"reads no images from 'tape'; update it"):
        JobSources(newer).check()
