"""Jobs from a web server: handlers run in threads, and a response iterates in any of them."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

import hangtag
from producer.journal.job_index import entries
from tests.support.processes.fleet import Fleet, Worker, wait_for

pytestmark = pytest.mark.usefixtures("working")
_STOPS: dict[str, hangtag.Stop] = {}


def classify(request: Request) -> StreamingResponse | JSONResponse:
    """In a thread of the server's pool, since it is no coroutine."""
    name = request.query_params["job"]
    _STOPS[name] = hangtag.Stop()
    try:
        result = hangtag.classify("pictures/", stop=_STOPS[name], max_failures=10)
    except hangtag.HangtagError as error:
        return JSONResponse({"error": str(error)}, 503)

    def lines() -> Iterator[bytes]:
        with result:
            for row in result:
                yield msgspec.json.encode(row) + b"\n"

    return StreamingResponse(lines())


def stop(request: Request) -> JSONResponse:
    _STOPS[request.query_params["job"]].request()
    return JSONResponse({})


@contextmanager
def serving() -> Iterator[str]:
    app = Starlette(routes=[Route("/classify", classify), Route("/stop", stop)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def fetched(url: str) -> list[dict[str, object]]:
    with urllib.request.urlopen(url) as answer:
        return [json.loads(line) for line in answer]


def test_requests_at_once_have_jobs_of_their_own(here: Path) -> None:
    with serving() as url, ThreadPoolExecutor() as pool:
        urls = [f"{url}/classify?job={i}" for i in range(3)]
        answers = list(pool.map(fetched, urls))
    assert [len(rows) for rows in answers] == [200] * 3
    assert answers[0] == answers[1] == answers[2]
    assert set(answers[0][0]) >= {"name", "label", "confidence", "status", "guesses"}
    assert list((here / "tmp").iterdir()) == []
    assert entries() == []


def test_a_request_is_stopped_by_another_one(here: Path, running: Fleet) -> None:
    (worker,) = running.processes
    assert isinstance(worker, Worker)
    worker.sleep()
    with serving() as url, ThreadPoolExecutor() as pool:
        waiting = pool.submit(fetched, f"{url}/classify?job=long")
        wait_for("a job", entries)
        fetched(f"{url}/stop?job=long")
        with pytest.raises(urllib.request.HTTPError) as caught:
            waiting.result()
        assert "the same call resumes it" in json.load(caught.value)["error"]
    worker.wake()
