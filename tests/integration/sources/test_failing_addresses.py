"""A job over web addresses ends, whatever one of them is answered; it waits for a server that
answers none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.job.snapshot import read_snapshot
from producer.sources.job_sources import JobSources
from producer.sources.remote import checked_network, web_source
from shared.errors import SetupError
from shared.image_status import Status
from tests.support.jobs.finished_job import finish, options_of
from tests.support.servers.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.support.servers.image_site import ImageSite
from tests.support.servers.raw_site import raw_site

IMAGES = 12
BAD = "05.jpg"


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANGTAG_LOCAL_ADDRESSES", "1")
    monkeypatch.setattr(web_source, "ATTEMPTS", 2)


@pytest.fixture
def proxy(site: ImageSite) -> Iterator[FaultProxy]:
    """A proxy before a web server with some images."""
    site.files = {f"{number:02}.jpg": b"image %d" % number for number in range(IMAGES)}
    with fault_proxy(site.port) as running:
        yield running


def one_fails(line: str, number: int) -> Fault:
    return Fault(status=500 if BAD in line else 0)


def listed(folder: Path, *addresses: str) -> JobOptions:
    """A job of these addresses."""
    (folder / "list.txt").write_text("".join(f"{address}\n" for address in addresses))
    return options_of(folder, list_file=b"list.txt")


def addresses(proxy: FaultProxy) -> list[str]:
    return [f"{proxy.url}/{number:02}.jpg" for number in range(IMAGES)]


def statuses(options: JobOptions) -> dict[str, str]:
    """By the end of an address."""
    rows = [line.split(",") for line in Path(options.output).read_text().splitlines()]
    column = rows[0].index("status")
    return {row[0].rpartition("/")[2]: row[column] for row in rows[1:]}


def others_are_ok(found: dict[str, str]) -> bool:
    return {status for name, status in found.items() if name != BAD} == {"ok"}


def test_an_address_that_always_fails_is_a_row_of_a_job_of_one_server(
    proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.faults = one_fails
    options = listed(tmp_path, *addresses(proxy))
    finish(options)
    found = statuses(options)
    assert found[BAD] == Status.UNREADABLE
    assert others_are_ok(found)
    proxy.requests.clear()
    finish(options, retry_failed=True)  # no other one is left
    assert statuses(options) == found
    assert any(BAD not in line for line in proxy.requests), "one that was answered is asked again"
    proxy.faults = lambda *_: Fault()
    finish(options, retry_failed=True)
    assert statuses(options)[BAD] == "ok"


HEADERS = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        HEADERS + b"Content-Length: -1\r\n\r\nx",
        HEADERS + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        HEADERS + b"X: \0\r\nContent-Length: 1\r\n\r\nx",
        HEADERS + b"X: y\r\n" * 50_000,
        b"",
    ],
    ids=["negative", "doubled", "NUL", "endless", "nothing"],
)
def test_an_answer_that_is_none_costs_a_row(
    proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(checked_network, "ANSWER_MAX_BYTES", 1 << 18)
    with raw_site(answer) as url:
        bad = url.decode().replace("localhost", "127.0.0.1").replace("a.jpg", BAD)
        options = listed(tmp_path, bad, *addresses(proxy)[:3])
        finish(options)
    found = statuses(options)
    assert found[BAD] == Status.UNREADABLE
    assert others_are_ok(found)


def test_an_address_that_is_answered_after_another_one_is_no_failure(
    proxy: FaultProxy, tmp_path: Path
) -> None:
    asked = []

    def busy_first(line: str, number: int) -> Fault:
        asked.append(line)
        return Fault(status=503 if BAD in line and sum(BAD in each for each in asked) < 3 else 0)

    proxy.faults = busy_first
    options = listed(tmp_path, *addresses(proxy))
    finish(options)
    assert set(statuses(options).values()) == {"ok"}


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(drops=True)])
def test_a_server_that_stops_answering_stops_the_job_which_resumes(
    proxy: FaultProxy, tmp_path: Path, fault: Fault
) -> None:
    options = listed(tmp_path, *addresses(proxy))
    proxy.faults = lambda line, number: fault if number >= IMAGES // 2 else Fault()
    with pytest.raises(SetupError):
        finish(options)
    assert not Path(options.output).exists()
    proxy.faults = lambda *_: Fault()
    finish(options)
    assert set(statuses(options).values()) == {"ok"}


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_of_which_nothing_is_answered_stops_and_says_how_to_end_the_job(
    proxy: FaultProxy, tmp_path: Path, count: int
) -> None:
    proxy.faults = lambda *_: Fault(status=500)
    options = listed(tmp_path, *addresses(proxy)[:count] * 2)
    with pytest.raises(SetupError) as stopped:
        finish(options)
    assert str(stopped.value).endswith("hangtag cancel ends it")
    view = read_snapshot(Path(options.output))
    assert view is not None
    assert view.exit_code is None


def test_an_address_among_the_arguments_that_fails_later_is_a_row(
    proxy: FaultProxy, tmp_path: Path
) -> None:
    options = options_of(tmp_path, *(name.encode() for name in addresses(proxy)))
    with closing(JobSources(options)) as sources:
        sources.check()
        proxy.faults = one_fails
        names = [name.encode() for name in addresses(proxy)]
        read = {name: sources.source_of(name).read(name, 1 << 20)[0] for name in names}
    assert read.pop(f"{proxy.url}/{BAD}".encode()) is Status.UNREADABLE
    assert not any(isinstance(content, Status) for content in read.values())


def test_a_new_job_of_an_address_that_is_not_answered_does_not_start(
    proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.faults = one_fails
    name = f"{proxy.url}/{BAD}".encode()
    with (
        closing(JobSources(options_of(tmp_path, name))) as sources,
        pytest.raises(SetupError, match=f"{BAD}.*run the same command again"),
    ):
        sources.check()
