"""The temporary folder of a call without an output, which all users of the machine may write to."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import hangtag
from hangtag.result import PREFIX


def test_no_folder_of_another_user_stands_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HANGTAG_REDIS_URL", "redis://127.0.0.1:1")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(b"")
    (tmp_path / PREFIX / "photos.csv").mkdir(parents=True)
    stop = hangtag.Stop()
    stop.request()
    with pytest.raises(hangtag.Unfinished):
        hangtag.classify(tmp_path / "photos", model="fashion-mnist", progress=False, stop=stop)
