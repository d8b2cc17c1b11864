"""Requests that exist already, at a broker or at this machine's stack: a server without trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest

from producer.machine import lock
from producer.present.events import Event, Events, Notice
from producer.present.progress import Quiet
from producer.trainer import submit as submission
from producer.trainer.client import RequestClient, make_request
from producer.trainer.existing import (
    FAILED,
    RequestNow,
    cancel,
    find,
    follow,
    open_requests,
    state_now,
)
from producer.trainer.request_display import RequestDisplay
from producer.trainer.submit import RequestWaiter, Viewed, submit
from shared import keys
from shared.broker.runtime_paths import SUPERVISOR_LOCK, private_stack_dir, socket_path
from shared.errors import RequestCancelled, SetupError, StillOpen, UsageError
from shared.ledger import request_store
from shared.ledger.request_store import RequestState, RequestView
from shared.messages.requests import Outcome, Progress, Promote, Request, Rollback
from shared.settings import Settings
from shared.stop import Stop, Waits, unstoppable
from tests.support.jobs import stored_requests
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer
from worker.requests.workspace import Workspace

REQUEST = make_request(Promote("shoes@2"), "r1")
OTHER = make_request(Rollback("bags"), "r2")
#: That a test's waits read: one each.
MOST_VIEWS = 4


class Scene:
    """A server and a store."""

    def __init__(self, server: RedisServer, settings: Settings) -> None:
        self.settings, self.store = settings, settings.store_path
        self.hand = Hand(server, None if settings.redis_url else settings.store_path)
        self.inbox = self.hand.inbox
        self.views = 0
        self.notices = list[str]()

    def keep(self) -> Workspace:
        """Store the request as one of this machine's stack."""
        return stored_requests.keep_on_stack(self.settings, REQUEST)

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
        self.views += 1
        assert self.views < MOST_VIEWS, event

    def submit_and_wait(self, act: Callable[[], object]) -> None:
        """Act after the first view of the request, and cancel it after the second."""
        self.inbox.submit(REQUEST)
        events = Events()
        acts: Iterator[Callable[[], object]] = iter([act, lambda: self.inbox.cancel("r1")])

        def receive(event: Event) -> None:
            if isinstance(event, Notice):
                self.notices.append(event.text)
            else:
                next(acts, bool)()

        events.subscribe(receive, Viewed, Notice)
        with closing(RequestClient(self.settings)) as client, suppress(RequestCancelled):
            RequestWaiter(self.settings, client, REQUEST, events, unstoppable()).wait()


@pytest.fixture
def broker(server: RedisServer, tmp_path: Path) -> Scene:
    return Scene(server, Settings(store=str(tmp_path / "store"), redis_url=server.url))


@pytest.fixture
def stack(server: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    """This machine's stack as commands see it: a server and the lock of its supervisor."""
    settings = Settings(store=str(tmp_path / "store"))
    supervisor = lock.Lock(private_stack_dir(settings) / SUPERVISOR_LOCK)
    assert supervisor.take(0)
    socket_path(settings).symlink_to(server.socket)
    yield Scene(server, settings)
    supervisor.free()


def test_the_same_submission_again_is_the_same_request(stack: Scene) -> None:
    for _ in range(2):
        assert stack.submit() == Outcome(ok=True)
    assert stack.submit(trainer_needed=True).ok, "the stack starts one"
    assert [request.id for request in request_store.open_requests(stack.store)] == ["r1"]
    with pytest.raises(UsageError, match="other work"):
        stack.submit(msgspec.structs.replace(OTHER, id="r1"))


def test_a_request_of_a_running_stack_has_its_state_and_progress(stack: Scene) -> None:
    folder = stack.keep()
    assert [one.state for one in open_requests(stack.settings)] == [RequestState.WAITING]
    with folder.locked(0):
        stack.inbox.report("r1", "here", Progress("training"))
        (listed,) = open_requests(stack.settings)
    assert (listed.state, listed.progress) == (RequestState.RUNNING, Progress("training"))


def test_work_whose_server_has_ended_is_not_paused(tmp_path: Path) -> None:
    settings = Settings(store=str(tmp_path / "store"))
    with stored_requests.keep_on_stack(settings, REQUEST).locked(0):
        assert [one.state for one in open_requests(settings)] == [RequestState.RUNNING]


def test_an_id_whose_request_is_gone_is_not_listed(broker: Scene) -> None:
    broker.inbox.submit(REQUEST)
    broker.hand.server.client.delete(keys.request("r1", "state"))
    assert broker.inbox.ids() == ["r1"]
    assert open_requests(broker.settings) == []


@pytest.mark.parametrize("stored", ["open", "cancelled", "unreadable"])
def test_at_a_broker_the_store_of_this_machine_has_no_say(broker: Scene, stored: str) -> None:
    """Its requests are those of this machine's stack, or of another broker."""
    folder = broker.keep()
    if stored == "cancelled":
        folder.cancel()
    elif stored == "unreadable":
        (folder.path / request_store.REQUEST_FILE).write_bytes(b"")
    assert open_requests(broker.settings) == []
    with pytest.raises(UsageError, match="there is no request r1"):
        find(broker.settings, "r1")


def test_a_submission_to_a_broker_returns_once_a_trainer_has_stored_it(broker: Scene) -> None:
    with pytest.raises(StillOpen, match="request r1 continues"):
        broker.submit()
    assert broker.inbox.ids() == ["r1"]
    broker.hand.live()
    assert submit(broker.settings, REQUEST, wait=False) == Outcome(ok=True)
    assert broker.hand.folder("r1").request() == REQUEST
    assert request_store.open_requests(broker.store) == []


def test_a_submission_that_needs_a_trainer_is_made_if_one_is_alive(broker: Scene) -> None:
    with pytest.raises(SetupError, match="hangtag worker --queue train"):
        broker.submit(trainer_needed=True)
    assert broker.inbox.ids() == []
    broker.hand.live()
    assert submit(broker.settings, REQUEST, wait=False, wait_for_trainer=False).ok
    assert broker.inbox.ids() == ["r1"]


def test_a_request_that_waits_for_another_reports_it_after_a_while(
    broker: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once: an idle trainer takes it within a moment."""
    for request in (OTHER, REQUEST):
        broker.inbox.submit(request)
    broker.hand.claim("r2")  # without any progress yet
    broker.hand.live()
    for queued_s, reported in ((60.0, ""), (0.0, "rollback bags is running (request r2)")):
        monkeypatch.setattr(submission, "QUEUED_S", queued_s)
        with pytest.raises(StillOpen):
            broker.wait()
        shown = capsys.readouterr().err
        assert reported in shown if reported else shown == ""


def test_a_request_that_has_just_started_does_not_wait_for_itself(
    broker: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "QUEUED_S", 0.0)
    broker.inbox.submit(REQUEST)
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
    broker.inbox.submit(REQUEST)
    assert state_now(broker.settings, "r1").state == RequestState.WAITING
    broker.hand.claim("r1")
    broker.hand.answer("r1", Outcome(ok=False, error="full"))
    assert state_now(broker.settings, "r1") == RequestNow(FAILED, None, "full")
    with pytest.raises(UsageError, match="r1 has finished"):
        cancel(broker.settings, "r1")
    broker.inbox.submit(OTHER)
    cancel(broker.settings, "r2")
    assert state_now(broker.settings, "r2") == RequestNow(RequestState.CANCELLED)


def test_a_request_of_a_stack_that_was_cancelled_has_that_state(stack: Scene) -> None:
    stack.keep()
    for _ in range(2):
        assert cancel(stack.settings, "r1") == "request r1 is cancelled"
    assert state_now(stack.settings, "r1") == RequestNow(RequestState.CANCELLED)
    assert open_requests(stack.settings) == []
    events = stack.counted()
    with pytest.raises(RequestCancelled, match="request r1 is cancelled"):
        follow(stack.settings, "r1", timeout_s=0.0, events=events)
    assert stack.views == 0, "it is known without a stack"


def test_what_was_cancelled_at_this_machines_stack_is_submitted_to_a_broker(broker: Scene) -> None:
    broker.keep().cancel()
    broker.hand.live()
    assert submit(broker.settings, REQUEST, wait=False) == Outcome(ok=True)


def test_a_trainer_of_a_stack_has_time_to_start(
    stack: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.submit()
    with pytest.raises(StillOpen):
        stack.wait()
    assert "no trainer" not in capsys.readouterr().err


def test_a_request_that_redis_has_lost_is_submitted_again(broker: Scene) -> None:
    broker.submit_and_wait(broker.hand.server.client.flushall)
    assert [text for text in broker.notices if "lost" in text] == [
        "Redis has lost the request; submitted it again"
    ]


def test_a_missing_trainer_is_reported_once_although_another_notice_follows(broker: Scene) -> None:
    broker.submit_and_wait(broker.hand.server.client.flushall)
    assert [text.partition(";")[0] for text in broker.notices] == [
        "no trainer is alive",
        "Redis has lost the request",
    ]


def test_other_work_that_takes_the_id_meanwhile_ends_the_wait(broker: Scene) -> None:
    def replace() -> None:
        broker.hand.server.client.flushall()
        broker.inbox.submit(msgspec.structs.replace(OTHER, id="r1"))

    with pytest.raises(UsageError, match="other work"):
        broker.submit_and_wait(replace)


def test_a_request_of_another_machine_says_what_it_waits_for(
    stack: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(submission, "TRAINER_START_S", 0.0)
    stack.hand.live()  # a trainer of this stack
    Workspace(stack.store, "r1").submit(REQUEST, stack="elsewhere:/tmp/hangtag-0/0a1b2c3d")
    with pytest.raises(StillOpen):
        stack.wait()
    assert (
        "request r1 waits for the stack in /tmp/hangtag-0/0a1b2c3d on elsewhere; to have it done "
        "here: hangtag cancel r1, then the command again"
    ) in capsys.readouterr().err


def test_a_wait_within_which_the_time_passes_says_that_the_request_continues(
    broker: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "GLANCE_TIMEOUT_S", 0.05)
    broker.inbox.submit(REQUEST)
    events = Events()
    with closing(RequestClient(broker.settings)) as client, closing(Waits(Stop())) as waits:
        events.subscribe(lambda _: waits.sleep(60.0), Viewed)
        with pytest.raises(StillOpen, match="request r1 continues"):
            RequestWaiter(broker.settings, client, REQUEST, events, waits, timeout_s=0.0).wait()
