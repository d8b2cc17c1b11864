"""The review of a real job through its real server: what is reported as saved stays, and only the
page that was opened with the link can read or decide anything."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.job.journal import journal_path
from shared.labels import labels_file
from tests.support.images.drawn_folders import draw
from tests.support.jobs import finished_job
from tests.support.processes import flood
from tests.support.processes.fleet import wait_for
from tests.support.processes.review_server import Review

MAX_ADMITTED = 200  # connections


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review")
    draw(folder / "shapes", (5, 8), 20)
    (folder / "shapes" / "copy.png").write_bytes(
        sorted((folder / "shapes").glob("*/*.png"))[0].read_bytes()
    )
    (folder / "shapes" / "broken.png").write_bytes(finished_job.RUBBISH)
    options = JobOptions((b"shapes",), os.fsencode(folder), str(folder / "t.csv"))
    finished_job.finish(options)
    return folder / "t.csv"


@pytest.fixture
def review(table: Path) -> Iterator[Review]:
    labels_file.of_table(table).unlink(missing_ok=True)
    running = Review(table)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def idle(table: Path) -> Iterator[Review]:
    """A server that decides nothing, for many tests."""
    labels_file.of_table(table).unlink(missing_ok=True)
    running = Review(table)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


def saved(table: Path) -> dict[str, str]:
    """The label in force by the path in the table."""
    known = labels_file.read(labels_file.of_table(table)).so_far.labelled()
    return {one.path: one.label for one in known}


def test_a_decision_is_in_the_log_when_its_reply_arrives(review: Review, table: Path) -> None:
    rows = review.rows("kind=all&count=3")["items"]
    reply = review.decide((rows[0]["item"], "Coat"), (rows[1]["item"], rows[1]["guess"]))
    assert reply["refused"] == []
    assert saved(table) == {rows[0]["path"]: "Coat", rows[1]["path"]: rows[1]["guess"]}
    review.decide((rows[0]["item"], None))
    assert saved(table) == {rows[1]["path"]: rows[1]["guess"]}
    again = review.rows("kind=all&count=3")["items"]
    assert [row["decided"] for row in again] == [None, rows[1]["guess"], None]
    assert review.end() == 0


def test_nothing_that_was_reported_as_saved_is_lost_to_kill_9(review: Review, table: Path) -> None:
    rows = review.rows("kind=all&count=500")["items"]
    done = 0
    with ThreadPoolExecutor(4) as pool:
        killing = pool.submit(int)
        for row in rows:
            if done == len(rows) // 2:
                killing = pool.submit(review.end, signal.SIGKILL)
            try:
                review.decide((row["item"], "Sandal"))
            except (http.client.HTTPException, OSError):
                break
            done += 1
        killing.result()
    kept = saved(table)
    assert done >= len(rows) // 2
    assert {row["path"] for row in rows[:done]} - set(kept) <= {rows[0]["path"]}  # its copy
    again = Review(table)
    assert again.decided >= done
    assert again.end() == 0


def test_two_pages_at_once_lose_nothing(review: Review, table: Path) -> None:
    other = Review(table)
    rows = review.rows("kind=all&count=500")["items"]
    unique = {row["path"]: row["item"] for row in rows if not row["path"].endswith("copy.png")}
    pages = [review, other]
    with ThreadPoolExecutor(8) as pool:
        each = enumerate(unique.values())
        list(pool.map(lambda one: pages[one[0] % 2].decide((one[1], "Bag")), each))
    assert set(saved(table)) == set(unique)
    assert review.json("GET", "/facts")["heading"] == other.json("GET", "/facts")["heading"]
    assert other.end() == 0


def test_a_picture_of_a_job_that_is_gone_is_one_line(table: Path, tmp_path: Path) -> None:
    """As after hangtag forget, or classify --restart, beside the page."""
    shutil.copytree(table.parent, tmp_path / "copy")
    review = Review(tmp_path / "copy" / table.name)
    try:
        journal_path(tmp_path / "copy" / table.name).write_bytes(b"not a journal")
        status, _, body = review.ask("GET", review.of("/pictures/1"))
        assert status == 500
        assert json.loads(body)["error"]
    finally:
        review.end()
    assert "Traceback" not in review.errors


def test_the_arguments_of_a_browser_open_the_page_once(table: Path, tmp_path: Path) -> None:
    seen = tmp_path / "arguments"
    browser = f'{sys.executable} -c \'import sys; open("{seen}", "w").write(sys.argv[1])\' %s'
    review = Review(table, options=["--open"], BROWSER=browser)
    try:
        wait_for("the browser", lambda: seen.exists() and seen.read_text())
        link = seen.read_text()
        path = link[link.index("/?") : link.index("#")]
        assert review.token not in link
        status, headers, _ = review.ask("GET", path, cookie="")
        assert status == 303
        cookie = headers["set-cookie"].partition(";")[0]
        assert review.ask("GET", "/facts", cookie=cookie)[0] == 200
        assert review.ask("GET", path, cookie="")[0] == 403
    finally:
        review.end(signal.SIGKILL)


def test_thousands_of_connections_at_once_are_answered_or_refused(
    review: Review, table: Path
) -> None:
    rows = review.rows("kind=all&count=500")["items"]
    paths = {row["item"]: row["path"] for row in rows if "copy" not in row["path"]}
    positions = list(paths)
    crowd = [
        flood.decide(review, positions[n % len(positions)], "Bag")
        if n % 5 == 0
        else flood.get(review.of(f"/items?start={n % 7}"))
        for n in range(2000)
    ]
    found = flood.send(review, crowd, 60)
    few = [flood.decide(review, position, "Coat") for position in positions[: len(positions) // 2]]
    replies = flood.send(review, few, 30)
    assert {one.status for one in found} <= {200, 503}
    assert {one.status for one in replies} == {200}
    kept = saved(table)
    for position in positions[: len(positions) // 2]:
        assert kept[paths[position]] == "Coat"
    for n in range(0, len(crowd), 5):
        assert found[n].status == 503 or paths[positions[n % len(positions)]] in kept
    assert resident_mb(review.process.pid) < 150
    assert review.end() == 0
    assert review.errors == ""


def test_idle_connections_without_the_cookie_do_not_keep_the_owner_out(idle: Review) -> None:
    with ExitStack() as stack:
        for _ in range(250):
            stack.enter_context(socket.create_connection((idle.host, idle.port)))
        assert idle.ask("GET", "/facts")[0] == 200
        assert idle.rows("kind=all&count=1")["items"]


def test_more_connections_with_the_cookie_than_the_limit_are_refused(idle: Review) -> None:
    """The server waits for a body on each, so none is closed for having been idle meanwhile."""
    with ExitStack() as stack:
        for _ in range(MAX_ADMITTED):
            connection = socket.create_connection((idle.host, idle.port))
            stack.callback(connection.close)
            connection.sendall(unfinished(idle))
            assert connection.recv(1 << 10).startswith(b"HTTP/1.1 100")
        assert idle.ask("GET", "/assets/icon.svg")[0] == 503
    wait_for("a free connection", lambda: idle.ask("GET", "/facts")[0] == 200)


def test_a_connection_is_its_own_whatever_a_proxy_says_of_it(idle: Review) -> None:
    """Others would be counted, and never end."""
    for n in range(MAX_ADMITTED + 1):
        said = {"X_Forwarded_For": f"10.0.0.{n}"}
        assert idle.ask("GET", "/assets/icon.svg", **said)[0] == 200


def test_a_tab_that_is_closed_while_it_saves_writes_nothing_at_the_terminal(
    review: Review, table: Path
) -> None:
    with socket.create_connection((review.host, review.port)) as connection:
        connection.sendall(unfinished(review))
        assert connection.recv(1 << 10).startswith(b"HTTP/1.1 100")
    assert review.rows("kind=all&count=1")["items"]
    assert review.end() == 0
    assert review.errors == ""
    assert saved(table) == {}


def unfinished(review: Review) -> bytes:
    """A decision whose body is announced only: the server asks for it, and waits."""
    head = (
        f"POST {review.of('/decisions')} HTTP/1.1\r\nHost: {review.host}:{review.port}\r\n"
        f"Cookie: {review.cookie}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    return head.encode()


@pytest.mark.parametrize("decided", [False, True])
def test_its_end_names_the_commands_that_use_the_decisions(
    review: Review, table: Path, decided: bool
) -> None:
    if decided:
        review.decide((0, "Bag"))
    review.end()
    commands = [line.partition("hangtag ")[2] for line in review.output.splitlines()]
    expected = [f"table {table}", f"train CLASS_FOLDERS --corrections {table}"]
    assert [command for command in commands if command] == (expected if decided else [])


def resident_mb(pid: int) -> float:
    """The most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000
