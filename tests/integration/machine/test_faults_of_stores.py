"""A store that cannot be read, for example in a home whose file server is away, and requests in
Redis that another client has overwritten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from producer.machine import stack
from producer.machine.server_client import ServerClient
from producer.trainer.client import make_request
from shared import keys
from shared.broker.runtime_paths import socket_path, stack_dir
from shared.messages.requests import Promote
from tests.support.jobs import stored_requests
from tests.support.processes import local_stack
from tests.support.processes.fleet import wait_for
from tests.support.processes.local_stack import Place


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder without a stack, and a store with two versions of `mine`."""
    yield from local_stack.with_versions(workers=False)


def test_a_store_that_cannot_be_read_leaves_the_last_answer(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    settings, store = place.settings, place.settings.store_path
    stack.up(settings, 1, floor=0)
    client = ServerClient(settings, stack_dir(settings), socket_path(settings))
    gone = place.folder / "gone"
    store.rename(gone)
    store.symlink_to(store)  # a loop, which no file system resolves
    for _ in range(3):
        assert not client.training()
        assert client.idle_s() == 0
    assert len(caplog.messages) == 1, "one line, not one for each poll"
    assert str(store) in caplog.messages[0]
    supervisor = place.the("supervisor")
    server = place.killed("server")  # models are published again after it
    place.replaced("server", server)
    log = stack_dir(settings) / "stack.log"
    wait_for("the log line", lambda: "cannot be read" in log.read_text())
    store.unlink()
    gone.rename(store)
    request = make_request(Promote("mine@2"), "later")
    stored_requests.keep_on_stack(settings, request)
    wait_for("the outcome", lambda: stored_requests.outcome(store, "later"))
    assert place.the("supervisor") == supervisor


def test_requests_that_another_client_overwrote_leave_the_stack_running(place: Place) -> None:
    settings = place.settings
    stack.up(settings, 1, floor=0)
    supervisor, server = place.the("supervisor"), place.the("server")
    with place.client() as client:
        client.set(keys.REQUESTS, "x")
    request = make_request(Promote("mine@2"), "later")
    stored_requests.keep_on_stack(settings, request)
    wait_for("the outcome", lambda: stored_requests.outcome(settings.store_path, "later"))
    assert (place.the("supervisor"), place.the("server")) == (supervisor, server)
