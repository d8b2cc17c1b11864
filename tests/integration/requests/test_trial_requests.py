"""Each head has trials of its own, and none of them can fail its training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.cli.models import train as train_command
from producer.cli.models import trained
from producer.requests import wait as wait_for_outcome
from shared import keys, recipes
from shared.errors import Exit
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_ledger import RequestLedger
from shared.messages.model_card import Preprocessing
from shared.messages.requests import REQUEST_ID, Outcome, Request
from shared.messages.training import Train
from shared.stop import Waits
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.processes.manual_trainer import ANSWER, Hand
from tests.support.servers.redis_server import RedisServer
from worker.datasets.split import HELDOUT, TRAINING, UNDECIDED
from worker.handlers import trials
from worker.learners import photos
from worker.learners.learner import Task

#: As long as an id may be.
LONG = "nightly-training-of-the-photos-of-the-new-warehouse-0-2026-11-25"
PHOTOS = 5
TRIALS = ("r1-fine", "r1-scratch")
#: Those of a head `monday`, without the one that fine-tunes.
OTHERS = ["monday-head-large", "monday-scratch", "monday-together"]
WORK = Train("cats", "photo", "/photos", minutes=6)


def _trials(server: RedisServer, store: Path, request_id: str, work: Train = WORK) -> list[str]:
    context, _ = handler_context.make(server, store, work, request_id=request_id)
    return list(trials.submit_trials(context, work, 100))  # photos, the fewest


@pytest.mark.parametrize("differ", ["same", "other"])
def test_long_ids_that_differ_at_their_end_have_trials_of_their_own(
    server: RedisServer, tmp_path: Path, differ: str
) -> None:
    first, second = LONG, LONG[:-1] + "6"
    assert len(LONG) == 64
    work = WORK if differ == "same" else msgspec.structs.replace(WORK, seed=2)
    found = [*_trials(server, tmp_path, first), *_trials(server, tmp_path, second, work)]
    assert len(set(found)) == 2 * len(recipes.find("photo").trials)
    assert all(REQUEST_ID.fullmatch(one) for one in found)
    # As a second attempt after a crash.
    assert _trials(server, tmp_path, first) == found[: len(found) // 2]


@pytest.mark.parametrize("readable", [True, False])
def test_a_trial_whose_id_is_in_use_is_left_out(
    server: RedisServer, tmp_path: Path, readable: bool
) -> None:
    other = Request("monday-fine", msgspec.structs.replace(WORK, recipe="photo-head"), "me@here", 1)
    RequestLedger(server.client, 30.0).submit(other)
    if not readable:  # damaged
        server.client.hset(keys.request(other.id, "state"), "request", b"{}")
    assert _trials(server, tmp_path, "monday") == OTHERS
    # Or it would start once the other is forgotten.
    assert [one.id for one in request_store.unanswered(tmp_path)] == OTHERS


def test_a_trial_whose_id_is_stored_for_other_work_is_left_out(
    server: RedisServer, tmp_path: Path
) -> None:
    """Redis has lost the other request, which is restored."""
    other = Request("monday-fine", msgspec.structs.replace(WORK, recipe="photo-head"), "me@here", 1)
    request_store.keep(tmp_path, other)
    assert _trials(server, tmp_path, "monday") == OTHERS
    assert RequestLedger(server.client, 30.0).open() == OTHERS
    assert request_store.load(tmp_path, other.id) == other


def test_a_cancelled_trial_is_not_submitted_again(server: RedisServer, tmp_path: Path) -> None:
    """Its head dies before its outcome, the trial is cancelled, and Redis loses everything."""
    assert "monday-fine" in _trials(server, tmp_path, "monday")
    fine = request_store.load(tmp_path, "monday-fine")
    cancelled_requests.record(tmp_path, "monday-fine", fine)
    server.client.flushall()
    assert _trials(server, tmp_path, "monday") == OTHERS
    assert [one.id for one in request_store.unanswered(tmp_path)] == OTHERS


@pytest.fixture
def followed(server: RedisServer) -> Hand:
    """A trainer that has answered for a head, and has its two trials."""
    hand = Hand(server)
    hand.live()
    head = msgspec.structs.replace(ANSWER, trials=TRIALS)
    outcome = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(head)))
    for request_id in ("r1", *TRIALS):
        hand.requests.submit(Request(request_id, Train("fashion-mnist", "fast"), "me@here", 1.0))
    hand.answer("r1", hand.claim("r1"), outcome)
    return hand


def wait(server: RedisServer, *options: str) -> Result:
    command = ("train", "--request-id", "r1", "--wait", *options)
    return CliRunner(env={"HANGTAG_REDIS_URL": server.url}).invoke(hangtag, command)


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_a_cancelled_trial_hides_no_other_result(
    server: RedisServer, followed: Hand, options: tuple[str, ...]
) -> None:
    followed.requests.cancel(TRIALS[0])
    followed.answer(TRIALS[1], followed.claim(TRIALS[1]))
    result = wait(server, *options)
    assert result.exit_code == Exit.CANCELLED, result.output
    assert "r1-fine is cancelled" in result.stderr.splitlines()[-1]
    if options:
        (only,) = msgspec.json.decode(result.stdout)["trial_results"]
        assert only["request"] == TRIALS[1]
    else:
        assert result.stdout.count(f"{ANSWER.model} is published") == 2


class Clock:
    """Time that passes only while the command sleeps; after three seconds something happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self.now, self._happens = 0.0, happens

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now - seconds < 3 <= self.now:
            self._happens()


def test_the_timeout_is_for_a_head_and_its_trials_together(
    server: RedisServer, followed: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = followed.claim(TRIALS[0])
    clock = Clock(lambda: followed.answer(TRIALS[0], grant))
    for module in (wait_for_outcome, train_command, trained):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(Waits, "sleep", lambda waits, seconds: clock.sleep(seconds))
    result = wait(server, "--timeout", "5")
    assert result.exit_code == Exit.INTERRUPTED, result.output
    assert result.stdout.count(f"{ANSWER.model} is published") == 2
    assert "hangtag train --follow r1-scratch" in result.stderr.splitlines()[-1]
    assert 5 <= clock.now < 6


class Outage:
    """A clock that is read before each trial; the server stops before the second one."""

    def __init__(self, server: RedisServer) -> None:
        self._server, self._reads = server, 0

    def monotonic(self) -> float:
        self._reads += 1
        if self._reads == len(TRIALS):
            self._server.stop()
        return 0.0


def test_an_outage_before_a_trial_hides_no_other_result(
    server: RedisServer, followed: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trial in TRIALS:
        followed.answer(trial, followed.claim(trial))
    monkeypatch.setattr(trained, "time", Outage(server))
    result = wait(server, "--json")
    assert result.exit_code == Exit.SETUP, result.output
    assert "does not answer" in result.stderr.splitlines()[-1]
    (only,) = msgspec.json.decode(result.stdout)["trial_results"]
    assert only["request"] == TRIALS[0]


@pytest.mark.parametrize("given", [True, False], ids=["validation", "a fold"])
def test_only_photos_that_the_folder_holds_out_are_decoded_for_an_older_version(
    server: RedisServer, tmp_path: Path, given: bool
) -> None:
    """A fold is no part of a data set: an older version could not have held out the same."""
    for number, part in enumerate(("train", "validation") if given else (".",)):
        for shape in ("circle", "square"):
            shapes.write(tmp_path / "photos" / part, shape, PHOTOS, first_seed=100 * number)
    work = msgspec.structs.replace(WORK, recipe="photo-fine", data=str(tmp_path / "photos"))
    context, _ = handler_context.make(server, tmp_path / "store", work)
    parts = np.array([TRAINING, HELDOUT] if given else [UNDECIDED, UNDECIDED], np.int8)
    task = Task(work, recipes.find(work.recipe), context.folder / "state.npz")
    found = photos.held_out_by_folder(task, parts, Preprocessing(28, 28, 3))
    assert (found is not None) == given
    assert found is None or len(found.labels) == 2 * PHOTOS
    assert bool(list(context.folder.glob("decoded-*"))) == given
