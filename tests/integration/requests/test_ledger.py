"""Requests on a real server: what the histories of requests (../state_machines) do not draw."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from shared import keys
from shared.broker.redis_client import connect
from shared.errors import BadMessage, SetupError, UsageError
from shared.ledger.milestones import STAGES
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import Grant, RenewalVerdict, RequestVerdict
from shared.messages.requests import Outcome, Progress, Request, encode_request
from shared.messages.training import Train
from tests.support.servers.redis_server import RedisServer
from worker import handlers as handlers_package

MAX_ATTEMPTS = 3
TRAIN = Train("fashion-mnist", "fast")
GOOD = Outcome(True, answer=msgspec.Raw(b'{"model":"fashion-mnist@1"}'))
LONG_S = 600.0


class Expiring(RequestLedger):
    """A ledger whose leases end when the test says so."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server.client, LONG_S)
        self.client = server.client

    def expire(self) -> None:
        self.client.hset(keys.request("r1", "state"), "until_ms", 0)


@pytest.fixture
def requests(server: RedisServer) -> Expiring:
    return Expiring(server)


def make_request(request_id: str = "r1", who: str = "me@here", at: float = 1.0) -> Request:
    return Request(request_id, TRAIN, who, at)


@pytest.mark.parametrize("end", ["finished", "cancelled"])
def test_what_was_submitted_is_read_while_the_request_is_open(
    requests: RequestLedger, end: str
) -> None:
    assert requests.submitted("r1") is None
    requests.submit(make_request(), b"input")
    fence = requests.claim("r1", "one").fence
    assert requests.submitted("r1") == (make_request(), b"input")
    requests.finish("r1", fence, GOOD) if end == "finished" else requests.cancel("r1")
    assert requests.submitted("r1") is None


def test_an_id_of_other_work_is_refused(requests: RequestLedger) -> None:
    assert requests.submit(make_request())
    assert not requests.submit(make_request(at=2.0))
    other = Request("r1", msgspec.structs.replace(TRAIN, seed=9), "me@here", 3.0)
    with pytest.raises(UsageError, match="r1 exists for other work; choose another id"):
        requests.submit(other)
    assert requests.submitted("r1") == (make_request(), None)


def test_a_request_under_the_key_of_another_is_not_taken_for_it(
    server: RedisServer, requests: RequestLedger
) -> None:
    requests.submit(make_request())
    server.client.hset(keys.request("r1", "state"), "request", encode_request(make_request("r2")))
    with pytest.raises(BadMessage, match=r"r1 cannot be read .*contains the id 'r2'"):
        requests.get("r1")


def test_a_request_whose_input_another_client_has_overwritten_hides_no_other(
    server: RedisServer,
) -> None:
    with connect(server.url, "test") as client:
        requests = RequestLedger(client, LONG_S)
        for name in ("odd", "p1"):
            requests.submit(make_request(name))
        client.rpush(keys.request("odd", "input"), "no blob")
        assert [one.id for one in requests.open_requests()] == ["p1"]


def test_how_long_a_trainer_is_silent_counts_from_its_last_renewal(
    requests: RequestLedger, server: RedisServer
) -> None:
    requests.submit(make_request())
    fence = requests.claim("r1", "one").fence
    state = keys.request("r1", "state")

    def silent_s() -> float:
        view = requests.get("r1")
        assert view is not None
        return view.silent_s

    assert silent_s() < 60
    server.client.hincrby(state, "renewed_ms", -100_000)
    assert 100 <= silent_s() < 160
    requests.renew("r1", fence, Progress("training"))
    assert silent_s() < 60
    server.client.hset(state, "renewed_ms", "soon")
    assert silent_s() == 0
    server.client.hset(state, mapping={"renewed_ms": 1, "until_ms": 0})
    assert silent_s() == 0, "it is waiting"


def die(requests: Expiring, progress: Progress | None = None) -> Grant:
    """A trainer claims r1, gets as far as `progress`, and dies."""
    grant = requests.claim("r1", "one")
    if progress is not None:
        assert requests.renew("r1", grant.fence, progress) is RenewalVerdict.OK
    requests.expire()
    return grant


#: What a second attempt does further than the first.
FURTHER = {
    "an epoch": [Progress("training", n, 40, 5, 9) for n in (3, 4)],
    "a fold": [Progress("training", step=n, steps=5) for n in (3, 4)],
    "a file": [Progress("loading", step=n, steps=900) for n in (300, 301)],
    "images of an evaluation": [Progress("evaluating", step=n, steps=5000) for n in (1024, 2048)],
    "a stage of a training": [Progress("training", 40, 40), Progress("exporting")],
    "a stage of an import": [Progress("loading", step=9, steps=9), Progress("exporting")],
    "a stage of an evaluation": [
        Progress("evaluating", step=9, steps=9),
        Progress("drawing"),
    ],
    "a stage of a check": [Progress("loading", step=9, steps=9), Progress("checking")],
}


@pytest.mark.parametrize("further", FURTHER.values(), ids=FURTHER.keys())
def test_deaths_count_only_where_the_work_gets_no_further(
    requests: Expiring, further: list[Progress]
) -> None:
    requests.submit(make_request())
    first, second = further
    for n in range(MAX_ATTEMPTS - 1):
        assert die(requests, first).attempts == n + 1
    assert die(requests, second).verdict is RequestVerdict.GRANTED
    for n in range(1, MAX_ATTEMPTS):
        assert die(requests, (first, second)[n % 2]).attempts == n + 1
    assert die(requests, first).verdict is RequestVerdict.EXHAUSTED


def test_every_stage_that_a_handler_reports_has_its_place() -> None:
    """Work that reaches none is that of a moment: a promotion, a removal."""
    called = re.compile(r'(?:stage|Progress)\(\s*(?:"(\w+)"|([A-Z]+)\b)')
    worker = Path(handlers_package.__file__).parents[1]
    found = {
        (match[1] or match[2]).lower()
        for path in worker.rglob("*.py")
        for match in called.finditer(path.read_text())
    }
    assert found - {"pruning", "removing", "first_stage", "storing", "room"} == set(STAGES)


def test_the_first_outcome_stays_with_its_plots(requests: RequestLedger) -> None:
    requests.submit(make_request())
    fence = requests.claim("r1", "one").fence
    assert requests.finish("r1", fence, GOOD, {"curves.png": b"PNG"})
    assert requests.finish("r1", fence, GOOD, {"curves.png": b"PNG"})  # a repeated command
    assert not requests.finish("r1", fence, Outcome(False, "it failed; try again"))
    view = requests.get("r1")
    assert view is not None
    assert view.outcome is not None
    assert (view.outcome.ok, bytes(view.outcome.answer)) == (True, bytes(GOOD.answer))
    assert view.outcome.files == ("curves.png",)
    assert requests.file("r1", "curves.png") == b"PNG"
    with pytest.raises(SetupError, match=r"other.png of request r1 has expired"):
        requests.file("r1", "other.png")


def test_a_full_server_refuses_all_writes_and_changes_nothing(
    server: RedisServer, requests: RequestLedger
) -> None:
    requests.submit(make_request(), b"input")
    fence = requests.claim("r1", "one").fence
    before = server.client.dump(keys.request("r1", "state")), sorted(server.client.keys("*"))
    server.limit_memory(1)
    refused: list[Callable[[], object]] = [
        lambda: requests.submit(make_request("r2"), b"input"),
        lambda: requests.claim("r1", "one"),
        lambda: requests.renew("r1", fence, Progress("training")),
        lambda: requests.release("r1", fence),
        lambda: requests.finish("r1", fence, GOOD, {"curves.png": b"PNG"}),
        lambda: requests.cancel("r1"),
    ]
    for write in refused:
        with pytest.raises(RedisError, match=r"OOM|maxmemory"):
            write()
    server.limit_memory(0)
    after = server.client.dump(keys.request("r1", "state")), sorted(server.client.keys("*"))
    assert after == before
    assert requests.finish("r1", fence, GOOD, {"curves.png": b"PNG"})


def test_an_unreadable_request_is_reported_and_uses_no_attempts(
    server: RedisServer, requests: RequestLedger
) -> None:
    requests.submit(make_request())
    newer = encode_request(make_request()).replace(b'"recipe"', b'"recipe_of_next_year"')
    server.client.hset(keys.request("r1", "state"), "request", newer)
    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(BadMessage, match=r"request r1 cannot be read .* cancel r1"):
            requests.claim("r1", "one")
    with pytest.raises(BadMessage):
        requests.get("r1")
    assert requests.waiting() == ["r1"]
    assert requests.cancel("r1")


def test_an_invalid_input_is_reported_and_uses_no_attempts(
    server: RedisServer, requests: RequestLedger
) -> None:
    requests.submit(make_request())
    server.client.rpush(keys.request("r1", "input"), "no blob")
    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(BadMessage, match=r"hangtag:3:request:r1:\*' is not Hangtag's"):
            requests.claim("r1", "one")


def test_an_invalid_list_is_reported(server: RedisServer, requests: RequestLedger) -> None:
    server.client.set(keys.REQUESTS, "no list")
    with pytest.raises(BadMessage, match="hangtag:3:requests' is not Hangtag's; delete it"):
        requests.waiting()


def test_an_invalid_id_is_refused(server: RedisServer, requests: RequestLedger) -> None:
    for wrong in ("", "../etc", "a b", "x" * 65):
        with pytest.raises(BadMessage):
            requests.submit(make_request(wrong))
    assert server.client.keys("*") == []


_good = {
    "request": encode_request(make_request("odd")),
    "status": b"open",
    "fence": b"1",
    "owner": b"one",
    "until_ms": b"999999999999999",
    "attempts": b"1",
}
_NO_NUMBERS = (b"", b"-1", b"1e3", b"0x1", b"nan", b"9" * 16, b" 1", b"\xff\x00")
_NO_JSON = (b"null", b"[" * 2000, b"{}", b'{"ok":true}', b'{"stage":"x"}')
_STATES = (b"open", b"done", b"cancelled")
_odd = st.sampled_from([*_NO_NUMBERS, *_NO_JSON, *_STATES]) | st.binary(max_size=9)
_fields = st.dictionaries(st.sampled_from([*_good, "progress", "outcome"]), _odd, max_size=3)
_lost = st.sets(st.sampled_from(sorted(_good)), max_size=2)
_other = st.sampled_from(["state", "files", "input", "nothing"])


def test_foreign_writes_are_a_bad_message_at_most_and_hide_no_request(
    server: RedisServer, requests: RequestLedger
) -> None:
    client = server.client

    @given(changed=_fields, lost=_lost, other=_other)
    def check(changed: dict[str, bytes], lost: set[str], other: str) -> None:
        client.flushall()
        requests.submit(make_request("good"))
        for field, value in {**_good, **changed}.items():
            if field not in lost:
                client.hset(keys.request("odd", "state"), field, value)
        if other != "nothing":
            client.delete(keys.request("odd", other))
            client.rpush(keys.request("odd", other), "x")
        client.zadd(keys.REQUESTS, {"odd": 1})
        assert "good" in requests.waiting()
        assert set(requests.open()) <= {"odd", "good"}
        for step in steps(requests):
            with suppress(BadMessage, SetupError):
                step()
        assert requests.claim("good", "two").verdict is RequestVerdict.GRANTED

    check()


def steps(requests: RequestLedger) -> list[Callable[[], object]]:
    """All operations on the request `odd`."""
    return [
        lambda: requests.get("odd"),
        lambda: requests.file("odd", "curves.png"),
        lambda: requests.submit(make_request("odd")),
        lambda: requests.claim("odd", "one"),
        lambda: requests.claim("odd", "two"),
        lambda: requests.renew("odd", 1, Progress("training")),
        lambda: requests.release("odd", 1),
        lambda: requests.claim("odd", "one"),
        lambda: requests.finish("odd", 2, GOOD, {"curves.png": b"PNG"}),
        lambda: requests.cancel("odd"),
        lambda: requests.get("odd"),
    ]
