"""Requests that exist already, at a broker or at this machine's stack: a server without trainer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from producer.present.events import Event, Events
from producer.present.progress import Quiet
from producer.processes import lock
from producer.requests import wait
from producer.requests.client import RequestClient, make_request
from producer.requests.existing import FAILED, RequestNow, cancel, find, state_now
from producer.requests.open_requests import PAUSED, open_requests
from producer.requests.request_display import RequestDisplay
from producer.requests.submit import submit
from producer.requests.wait import RequestWaiter, Viewed
from shared.broker.runtime_paths import private_stack_dir, socket_path
from shared.errors import RequestCancelled, SetupError, StillOpen, UsageError
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import Outcome, Promote, Request, Rollback
from shared.settings import Settings
from shared.stop import Stop, Waits, unstoppable
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

REQUEST = make_request(Promote("shoes@2"), "r1")
OTHER = make_request(Rollback("bags"), "r2")
#: That a test's waits read: one each.
MOST_VIEWS = 4


class Scene:
    """A server and a store."""

    def __init__(self, server: RedisServer, settings: Settings) -> None:
        self.settings, self.store = settings, settings.store_path
        self.hand = Hand(server)
        self.requests: RequestLedger = self.hand.requests
        self._views = 0

    def keep(self) -> Path:
        """Store the request as one of this machine's stack."""
        request_store.keep(self.store, REQUEST)
        return request_store.folder(self.store, "r1")

    def submit(self, request: Request = REQUEST, trainer_needed: bool = False) -> Outcome:
        """Submit a request without waiting for it; an error if it is waited for."""
        return submit(
            self.settings,
            request,
            wait=False,
            timeout_s=0.0,
            wait_for_trainer=not trainer_needed,
        )

    def wait(self) -> Outcome:
        """Poll once for the outcome."""
        with closing(RequestClient(self.settings)) as client:
            return RequestWaiter(
                self.settings, client, REQUEST, self.counted(), unstoppable(), timeout_s=0.0
            ).wait()

    def counted(self) -> Events:
        """Events that are displayed, and that end a wait that goes on after its time."""
        events = Events()
        events.subscribe(RequestDisplay(Quiet()).show)
        events.subscribe(self._count, Viewed)
        return events

    def _count(self, event: Event) -> None:
        self._views += 1
        assert self._views < MOST_VIEWS, event


@pytest.fixture
def broker(server: RedisServer, tmp_path: Path) -> Scene:
    return Scene(server, Settings(store=str(tmp_path / "store"), redis_url=server.url))


@pytest.fixture
def stack(server: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    """This machine's stack as commands see it: a server and the lock of its supervisor."""
    settings = Settings(store=str(tmp_path / "store"))
    supervisor = lock.Lock(private_stack_dir(settings) / lock.SUPERVISOR)
    assert supervisor.take(0)
    socket_path(settings).symlink_to(server.socket)
    yield Scene(server, settings)
    supervisor.free()


def test_a_finished_request_is_not_cancelled_although_redis_has_lost_it(stack: Scene) -> None:
    outcome = stack.keep() / request_store.OUTCOME_FILE
    outcome.write_bytes(msgspec.json.encode(Outcome(ok=True)))
    with pytest.raises(UsageError, match="request r1 has finished; there is nothing to cancel"):
        cancel(stack.settings, "r1")
    assert stack.requests.get("r1") is None
    assert not cancelled_requests.is_cancelled(stack.store, "r1")


def test_a_request_that_only_redis_has_as_finished_is_not_cancelled(stack: Scene) -> None:
    stack.keep()
    stack.requests.submit(REQUEST)
    stack.requests.finish("r1", stack.hand.claim("r1").fence, Outcome(ok=True))
    with pytest.raises(UsageError, match="request r1 has finished; there is nothing to cancel"):
        cancel(stack.settings, "r1")
    assert request_store.load(stack.store, "r1") == REQUEST


def test_a_cancellation_that_was_interrupted_is_completed_by_the_next(stack: Scene) -> None:
    """The command had died between the record and the deletion: the stack would do the work."""
    stack.keep()
    cancelled_requests.remember(stack.store, "r1", REQUEST)
    assert cancel(stack.settings, "r1") == "request r1 is cancelled"
    assert request_store.load(stack.store, "r1") is None


def test_a_request_that_a_broker_left_is_found_once_the_stack_has_it(stack: Scene) -> None:
    (stack.keep() / request_store.HERE_FILE).unlink()
    stack.requests.submit(REQUEST)
    assert find(stack.settings, "r1") == REQUEST


def test_the_same_submission_again_is_the_same_request(stack: Scene) -> None:
    for _ in range(2):
        assert stack.submit() == Outcome(ok=True)
    assert stack.requests.open() == ["r1"]
    assert request_store.is_here(stack.store, "r1")


def test_a_request_of_a_running_stack_has_the_state_that_redis_knows(stack: Scene) -> None:
    stack.keep()
    assert [one.state for one in open_requests(stack.settings)] == [PAUSED]
    stack.requests.submit(REQUEST)
    assert [one.state for one in open_requests(stack.settings)] == [RequestState.WAITING]


@pytest.mark.parametrize("stored", ["of a stack", "of a broker", "cancelled", "unreadable"])
def test_at_a_broker_the_store_of_this_machine_has_no_say(broker: Scene, stored: str) -> None:
    """Its requests are those of this machine's stack, or of another broker."""
    folder = broker.keep()
    if stored == "of a broker":
        (folder / request_store.HERE_FILE).unlink()
    elif stored == "cancelled":
        cancelled_requests.record(broker.store, "r1", REQUEST)
    elif stored == "unreadable":
        (folder / request_store.REQUEST_FILE).write_bytes(b"")
    assert open_requests(broker.settings) == []
    with pytest.raises(UsageError, match="there is no request r1"):
        find(broker.settings, "r1")


def test_a_submission_to_a_broker_leaves_nothing_in_the_store_here(broker: Scene) -> None:
    assert broker.submit() == Outcome(ok=True)
    assert broker.requests.open() == ["r1"]
    assert request_store.unanswered(broker.store) == []


def test_a_submission_that_needs_a_trainer_is_made_if_one_is_alive(broker: Scene) -> None:
    with pytest.raises(SetupError, match="hangtag worker --queue train"):
        broker.submit(trainer_needed=True)
    assert broker.requests.open() == []
    broker.hand.live()
    assert broker.submit(trainer_needed=True) == Outcome(ok=True)
    assert broker.requests.open() == ["r1"]


def test_an_id_that_was_cancelled_at_a_broker_is_not_submitted_again(broker: Scene) -> None:
    broker.submit()
    broker.requests.cancel("r1")
    with pytest.raises(RequestCancelled, match="r1 was cancelled before"):
        broker.submit()


def test_the_wait_for_an_outcome_ends_in_time(broker: Scene) -> None:
    with pytest.raises(StillOpen, match="request r1 continues"):
        submit(broker.settings, REQUEST, events=broker.counted(), timeout_s=0.0)


def test_the_waiting_command_submits_a_request_that_redis_lost(broker: Scene) -> None:
    with pytest.raises(StillOpen):
        broker.wait()
    assert broker.requests.open() == ["r1"]


def test_the_wait_for_a_cancelled_request_ends(broker: Scene) -> None:
    broker.requests.submit(REQUEST)
    broker.requests.cancel("r1")
    with pytest.raises(RequestCancelled, match="request r1 is cancelled"):
        broker.wait()


def test_a_request_that_waits_for_another_reports_it_after_a_while(
    broker: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once: an idle trainer takes it within a moment."""
    for request in (OTHER, REQUEST):
        broker.requests.submit(request)
    broker.hand.claim("r2")  # without any progress yet
    broker.hand.live()
    for queued_s, reported in ((60.0, ""), (0.0, "rollback bags is running (request r2)")):
        monkeypatch.setattr(wait, "QUEUED_S", queued_s)
        with pytest.raises(StillOpen):
            broker.wait()
        shown = capsys.readouterr().err
        assert reported in shown if reported else shown == ""


def test_a_request_that_has_just_started_does_not_wait_for_itself(
    broker: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "QUEUED_S", 0.0)
    broker.requests.submit(REQUEST)
    broker.hand.live()
    original = RequestClient.running

    def started(client: RequestClient) -> Iterator[RequestView]:
        """A trainer takes the request right after its state was read."""
        broker.hand.claim("r1")
        return original(client)

    monkeypatch.setattr(RequestClient, "running", started)
    with pytest.raises(StillOpen):
        broker.wait()
    assert capsys.readouterr().err == ""


def test_the_state_of_a_request_at_a_broker_is_what_became_of_it(broker: Scene) -> None:
    with pytest.raises(UsageError, match="r1"):
        state_now(broker.settings, "r1")
    broker.requests.submit(REQUEST)
    assert state_now(broker.settings, "r1").state == RequestState.WAITING
    broker.requests.finish("r1", broker.hand.claim("r1").fence, Outcome(ok=False, error="full"))
    assert state_now(broker.settings, "r1") == RequestNow(FAILED, None, "full")
    broker.requests.submit(OTHER)
    cancel(broker.settings, "r2")
    assert state_now(broker.settings, "r2") == RequestNow(RequestState.CANCELLED)


def test_a_request_of_a_stack_that_was_cancelled_has_that_state(stack: Scene) -> None:
    stack.keep()
    cancel(stack.settings, "r1")
    assert state_now(stack.settings, "r1") == RequestNow(RequestState.CANCELLED)


def test_what_was_cancelled_at_this_machines_stack_is_submitted_to_a_broker(broker: Scene) -> None:
    broker.keep()
    cancelled_requests.record(broker.store, "r1", REQUEST)
    assert cancelled_requests.is_cancelled(broker.store, "r1")
    assert broker.submit() == Outcome(ok=True)


def test_a_wait_within_which_the_time_passes_says_that_the_request_continues(
    broker: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "GLANCE_TIMEOUT_S", 0.05)
    broker.requests.submit(REQUEST)
    events = Events()
    with closing(RequestClient(broker.settings)) as client, closing(Waits(Stop())) as waits:
        events.subscribe(lambda _: waits.sleep(60.0), Viewed)
        with pytest.raises(StillOpen, match="request r1 continues"):
            RequestWaiter(broker.settings, client, REQUEST, events, waits, timeout_s=0.0).wait()
