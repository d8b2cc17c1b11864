"""An update of a list of web addresses keeps the answers of images that it cannot reach."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from producer.job.job_options import JobOptions
from producer.present.events import Events, Notice
from producer.run.classify import classify
from producer.sources.remote import web_source
from shared.errors import Exit
from shared.settings import Settings
from tests.support.jobs.finished_job import finish, options_of
from tests.support.servers.image_site import ImageSite, image_site


@pytest.mark.parametrize("way", ["silent", "refused"])
def test_an_image_that_cannot_be_reached_keeps_its_row(
    site: ImageSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("HANGTAG_LOCAL_ADDRESSES", "1")
    monkeypatch.setattr(web_source, "ATTEMPTS", 1)
    options = options_of(tmp_path, list_file=b"list")
    site.files = {"a.jpg": b"a"}
    with image_site() as other:
        other.files = {"b.jpg": b"b"}
        url = other.url.replace("localhost", "127.0.0.1")  # a server is known by its name
        (tmp_path / "list").write_text(f"{site.url}/a.jpg\n{url}/b.jpg\n")
        finish(options)
        table = (tmp_path / "out.csv").read_bytes()
        assert table.count(b",ok,") == 2
        other.secret = "k" if way == "refused" else ""
        if way == "refused":
            summary, lines = updated(options)
    if way == "silent":
        summary, lines = updated(options)
    assert summary == Exit.OK
    assert "1 image could not be reached; the rows stay as they are" in lines
    assert (tmp_path / "out.csv").read_bytes() == table


def updated(options: JobOptions) -> tuple[int, list[str]]:
    """The exit code of an update without a broker, and its notices."""
    events, lines = Events(), list[str]()
    events.subscribe(lambda event: lines.append(event.text) if isinstance(event, Notice) else None)
    nowhere = Settings(redis_url="unix:///nowhere.sock")
    options = msgspec.structs.replace(options, timeout_s=5)
    asked = msgspec.structs.replace(options, update=True)
    return classify(asked, nowhere, events=events).exit_code, lines
