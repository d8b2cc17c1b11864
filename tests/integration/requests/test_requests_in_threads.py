"""Requests without a terminal: from any thread, ended by a stop or in time, with a real server."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from producer.present.events import Event, Events, Notice
from producer.trainer import submit as submission
from producer.trainer.client import make_request
from producer.trainer.existing import follow, is_known
from producer.trainer.submit import Viewed, answer_file, submit
from shared.errors import BrokerAway, StillOpen, Stopped
from shared.ledger.request_store import RequestState
from shared.messages.requests import Outcome, Promote
from shared.settings import Settings
from shared.stop import Stop
from tests.support.processes.fleet import wait_for
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

REQUEST = make_request(Promote("shoes@2"), "r1")
#: A client waits 15 s for a reply: work that ends sooner did not wait.
SOON_S = 5.0


class Running:
    """Work in a thread of this process."""

    def __init__(self, work: Callable[[Events, Stop], object]) -> None:
        self.seen: list[Event] = []
        self.stop, self._events = Stop(), Events()
        self._events.subscribe(self.seen.append)
        self.result: object = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[Events, Stop], object]) -> None:
        try:
            self.result = work(self._events, self.stop)
        except BaseException as error:
            self.error = error

    def views(self) -> list[Viewed]:
        return [event for event in self.seen if isinstance(event, Viewed)]

    def notices(self) -> list[str]:
        return [event.text for event in self.seen if isinstance(event, Notice)]

    def ended(self) -> float:
        """How long it took from now on."""
        since = time.monotonic()
        self._thread.join()
        return time.monotonic() - since


@pytest.fixture
def hand(server: RedisServer) -> Hand:
    hand = Hand(server)
    hand.live()
    return hand


@pytest.fixture
def settings(server: RedisServer, hand: Hand) -> Settings:
    return Settings(redis_url=server.url)


@pytest.fixture
def silent(server: RedisServer, settings: Settings) -> Iterator[RedisServer]:
    """A server that accepts connections, and replies when it is thawed."""
    yield server
    server.thaw()


def followed(settings: Settings, timeout_s: float | None = None) -> Running:
    """A request that was seen in its queue."""
    running = Running(
        lambda events, stop: submit(
            settings, REQUEST, events=events, stop=stop, timeout_s=timeout_s
        )
    )
    wait_for("its state", running.views)
    return running


def clients(server: RedisServer) -> list[str]:
    return [one["name"] for one in server.client.client_list() if "producer" in one["name"]]


def test_a_followed_request_ends_at_a_stop_while_the_server_is_silent_and_continues(
    silent: RedisServer, settings: Settings, hand: Hand, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    running = followed(settings)
    assert {n: signal.getsignal(n) for n in handlers} == handlers
    silent.freeze()
    time.sleep(0.5)  # it polls twice as often, so that it waits for a reply
    running.stop.request()
    assert running.ended() < SOON_S
    assert isinstance(running.error, Stopped)
    assert running.notices() == [
        "request r1 continues; follow it with: hangtag train --follow r1 "
        "(or stop it with: hangtag cancel r1)"
    ]
    assert (
        running.error.remedy
        == "follow it with: hangtag train --follow r1 (or stop it with: hangtag cancel r1)"
    )
    silent.thaw()
    assert wait_for("closed connections", lambda: not clients(silent))
    hand.claim("r1")
    hand.answer("r1", Outcome(ok=True))
    assert follow(settings, "r1")[1].ok
    assert capfd.readouterr() == ("", "")


def test_the_time_to_follow_ends_although_the_server_is_silent(
    silent: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "GLANCE_TIMEOUT_S", 0.5)
    running = followed(settings, timeout_s=0.5)
    silent.freeze()
    assert running.ended() < SOON_S
    assert isinstance(running.error, StillOpen)
    assert not running.stop.requested


@pytest.mark.parametrize(
    "work",
    [
        lambda settings, stop: submit(settings, REQUEST, stop=stop),
        lambda settings, stop: follow(settings, "r1", stop=stop),
        lambda settings, stop: is_known(settings, "r1", stop),
        lambda settings, stop: answer_file(settings, "r1", "confusion.png", stop),
    ],
    ids=["submit", "follow", "is_known", "answer_file"],
)
def test_each_step_of_a_request_ends_at_a_stop(
    silent: RedisServer, settings: Settings, work: Callable[[Settings, Stop], object]
) -> None:
    silent.freeze()
    running = Running(lambda _, stop: work(settings, stop))
    time.sleep(0.3)
    running.stop.request()
    assert running.ended() < SOON_S
    assert isinstance(running.error, Stopped)


def test_two_requests_are_followed_in_one_process_and_one_is_stopped(
    settings: Settings, hand: Hand
) -> None:
    first, second = followed(settings), followed(settings)
    first.stop.request()
    first.ended()
    assert isinstance(first.error, Stopped)
    hand.claim("r1")
    hand.answer("r1", Outcome(ok=True))
    second.ended()
    assert second.result == Outcome(ok=True)
    assert second.views()[-1].view.state is RequestState.DONE


def test_without_a_server_a_request_reports_the_outage_and_not_a_stop() -> None:
    with pytest.raises(BrokerAway, match="start it"):
        submit(Settings(redis_url="redis://127.0.0.1:1"), REQUEST)
