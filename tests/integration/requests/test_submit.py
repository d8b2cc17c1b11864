"""`hangtag train` on a real server; the test plays the trainer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.trainer.existing import OpenRequest
from shared import keys
from shared.errors import Exit
from shared.ledger.request_store import RequestState
from shared.messages.replies import Trained
from shared.messages.requests import EndedEpoch, Outcome, Progress
from shared.messages.training import Train
from tests.support.processes.fleet import Fleet, Producer, wait_for
from tests.support.processes.manual_trainer import ANSWER, Hand
from tests.support.servers.redis_server import RedisServer

#: A command without options would not start a training of minutes.
FASHION = ("--data", "fashion-mnist")


class Scene:
    """A server, a trainer played by the test, and commands."""

    def __init__(self, fleet: Fleet, hand: Hand, cwd: Path) -> None:
        self.fleet, self.hand, self._cwd = fleet, hand, cwd

    def hangtag(self, *arguments: str) -> Producer:
        """Start a command."""
        return self.fleet.producer(*arguments, cwd=self._cwd)

    def done(self, *arguments: str, code: Exit = Exit.OK) -> Result:
        """Run a command in this process, which is faster, and check its exit code."""
        result = CliRunner(env={"HANGTAG_REDIS_URL": self.fleet.server.url}).invoke(
            hangtag, arguments
        )
        assert result.exit_code == code, result.output
        return result


@pytest.fixture
def scene(server: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    with Fleet(server) as fleet:
        hand = Hand(server)
        hand.live()
        yield Scene(fleet, hand, tmp_path)


def test_following_displays_each_stage_and_epoch_and_then_the_result(scene: Scene) -> None:
    command = scene.hangtag("train", "--request-id", "r1", "--seed", "7")
    assert scene.hand.claim("r1").work == Train("fashion-mnist", "fast", seed=7)
    scene.hand.tell("r1", Progress("loading"))
    command.wait_for_log("loading")
    for epoch in (1, 2):
        ended = tuple(EndedEpoch(number, 0.5, 0.8, 0.9) for number in range(1, epoch))
        scene.hand.tell(
            "r1",
            Progress(
                "training", epoch, 2, 50, 100, 1234.0, 0.5 / epoch, 0.8, left_s=61.0, ended=ended
            ),
        )
        command.wait_for_log("training" if epoch == 1 else "epoch 1 of 2")
    ended = (EndedEpoch(1, 0.5, 0.8, 0.9), EndedEpoch(2, 0.25, 0.8, 0.93))
    scene.hand.tell("r1", Progress("exporting", ended=ended))
    command.wait_for_log("exporting")
    scene.hand.answer("r1")
    assert command.wait() == Exit.OK, command.story
    first, second = (line for line in command.log.splitlines() if line.startswith("epoch"))
    assert first.startswith("epoch 1 of 2, loss 0.5000, train accuracy 80.00%")
    assert "held-out accuracy 90.00%, 1,234 images/s, 1:01 min left" in first
    assert "held-out accuracy 93.00%" in second
    lines = command.out.splitlines()
    assert lines[0] == "garments@2 is published, after 1:15 min"
    assert lines[2] == (
        "  93.1% of 5,000 held-out images right  92.4 to 93.8% on others like these"
    )
    assert lines[3].startswith("  92.9% of 10,000 test images right")
    assert "0.8% calibration error" in lines[4]
    assert lines[6] == "105 images of 2 classes in photos: bag 95, boot 10"
    assert lines[7:9] == ["1 file could not be read:", "  bag/broken.png: damaged"]
    assert "--weighted" in lines[9]
    assert lines[11] == ANSWER.decision.why
    assert lines[-1].endswith("hangtag models promote garments@2")


def test_two_simultaneous_submissions_are_one_request_and_get_one_result(scene: Scene) -> None:
    options = ("train", "--request-id", "once", "--json")
    both = [scene.hangtag(*options) for _ in range(2)]
    scene.hand.claim("once")
    for one in both:
        one.wait_for_log("request once" if one.log else "")
    assert scene.hand.open() == ["once"]
    scene.hand.answer("once")
    third = scene.hangtag(*options)
    for one in (*both, third):
        assert one.wait() == Exit.OK, one.story
        found = msgspec.json.decode(one.out, type=Trained)
        assert found == ANSWER
    assert scene.hand.open() == []


def test_other_work_with_the_same_id_is_a_usage_error(scene: Scene) -> None:
    scene.done("train", "--request-id", "r1", "--detach")
    command = scene.done("train", "--request-id", "r1", "--seed", "2", code=Exit.USAGE)
    assert "other work" in command.stderr
    assert len(command.stderr.splitlines()) == 1


def test_an_id_that_failed_or_was_cancelled_is_reported_with_the_fix(scene: Scene) -> None:
    scene.done("train", "--request-id", "r1", "--detach")
    scene.hand.answer("r1", Outcome(ok=False, error="no images"))
    for options in ((), ("--detach",)):
        line = scene.done("train", "--request-id", "r1", *options, code=Exit.SETUP).stderr
        assert "no images" in line
        assert "--request-id" in line
    scene.done("train", "--request-id", "r2", "--detach")
    scene.done("train", "--cancel", "r2")
    line = scene.done("train", "--request-id", "r2", code=Exit.CANCELLED).stderr
    assert "--request-id" in line


def test_a_detached_request_can_be_followed_later(scene: Scene) -> None:
    left = scene.done("train", *FASHION, "--detach")
    request_id = left.stdout.strip()
    assert f"hangtag train --follow {request_id}" in left.stderr
    follower = scene.hangtag("train", "--follow", request_id)
    scene.hand.claim(request_id)
    scene.hand.answer(request_id)
    assert follower.wait() == Exit.OK, follower.story
    assert follower.out == scene.done("train", "--follow", request_id).stdout
    assert "garments@2" in follower.out


def test_ctrl_c_ends_the_following_and_the_training_continues(scene: Scene) -> None:
    command = scene.hangtag("train", "--request-id", "r1")
    scene.hand.claim("r1")
    scene.hand.tell("r1", Progress("loading"))
    command.wait_for_log("loading")
    assert command.interrupt() == Exit.INTERRUPTED, command.story
    assert "hangtag train --follow r1" in command.log
    scene.hand.tell("r1", Progress("training", 1, 2))
    view = scene.hand.inbox.get("r1")
    assert view is not None
    assert view.state is RequestState.RUNNING


@pytest.mark.parametrize("running", [False, True], ids=["waiting", "running"])
def test_a_cancelled_request_ends_its_followers(scene: Scene, running: bool) -> None:
    follower = scene.hangtag("train", "--request-id", "r1")
    scene.hand.wait_for("r1")
    if running:
        scene.hand.claim("r1")
    assert "cancelled" in scene.done("train", "--cancel", "r1").stdout
    assert follower.wait() == Exit.CANCELLED, follower.story
    assert "r1 is cancelled" in follower.log
    wait_for("its end", lambda: not scene.hand.open())
    assert scene.hand.folder("r1").is_cancelled
    scene.done("train", "--follow", "r1", code=Exit.CANCELLED)


def test_a_waiting_request_displays_the_time_left_of_now(scene: Scene) -> None:
    command = scene.hangtag("train", "--request-id", "r2", "--seed", "2")
    scene.hand.wait_for("r2")
    scene.done("train", "--request-id", "r1", "--detach")
    scene.hand.claim("r1")
    for left_s, shown in ((174.0, "2:54 min left"), (93.0, "1:33 min left")):
        scene.hand.tell("r1", Progress("training", 1, 2, 5, 9, left_s=left_s))
        command.wait_for_log(
            f"waiting: train fashion-mnist (fast) is running, {shown} (request r1)"
        )
    scene.hand.answer("r1")
    scene.hand.claim("r2")
    scene.hand.answer("r2")
    assert command.wait() == Exit.OK, command.story


@pytest.mark.parametrize(("usage", "code"), [(False, Exit.SETUP), (True, Exit.USAGE)])
def test_a_failed_training_reports_its_reason_in_one_line(
    scene: Scene, usage: bool, code: Exit
) -> None:
    command = scene.hangtag("train", "--request-id", "r1", "--quiet")
    scene.hand.claim("r1")
    scene.hand.answer("r1", Outcome(ok=False, error="no recipe `x`; take y", usage=usage))
    assert command.wait() == code, command.story
    assert (command.out, command.log) == ("", "hangtag: no recipe `x`; take y\n")


def test_without_a_trainer_the_command_that_starts_one_is_displayed_once(scene: Scene) -> None:
    scene.fleet.server.client.flushall()
    command = scene.hangtag("train", "--request-id", "r1")
    start = f"HANGTAG_REDIS_URL={scene.fleet.server.url} hangtag worker --queue train"
    command.wait_for_log(start)
    scene.hand.claim("r1")
    scene.hand.answer("r1")
    assert command.wait() == Exit.OK
    assert command.log.count(start) == 1


def test_without_a_trainer_the_command_can_leave_without_a_request(scene: Scene) -> None:
    scene.fleet.server.client.flushall()
    command = scene.done("train", *FASHION, "--no-wait-for-trainer", code=Exit.SETUP)
    assert "hangtag worker --queue train" in command.stderr
    assert scene.hand.open() == []
    left = scene.done("train", *FASHION, "--detach")
    assert "hangtag worker --queue train" in left.stderr
    assert scene.hand.open() == [left.stdout.strip()]


def test_open_requests_are_listed_with_their_progress(scene: Scene) -> None:
    assert scene.done("train", "--list").stdout == "no request is open\n"
    for request_id in ("r1", "r2"):
        scene.done("train", "--request-id", request_id, "--detach")
    scene.hand.claim("r1")
    scene.hand.tell("r1", Progress("training", 2, 9, left_s=75.0))
    found = scene.done("train", "--list", "--json").stdout
    running, waiting = msgspec.json.decode(found, type=list[OpenRequest])
    assert (running.request, running.state) == ("r1", "running")
    assert (waiting.request, waiting.state) == ("r2", "waiting")
    table = scene.done("train", "--list").stdout
    assert "epoch 2 of 9" in table
    assert "1:15 min" in table
    assert "train fashion-mnist (fast)" in table
    status = scene.done("status").stdout
    assert [row.split()[:4] for row in status.splitlines()[-3:]] == [
        row.split()[:4] for row in table.splitlines()
    ]


def test_a_request_of_another_version_is_listed_and_can_be_cancelled(scene: Scene) -> None:
    scene.done("train", "--request-id", "r1", "--detach")
    client, state = scene.fleet.server.client, keys.request("r1", "state")
    newer = cast(bytes, client.hget(state, "view")).replace(b'"recipe"', b'"recipe_of_2030"')
    client.hset(state, "view", newer)
    (listed,) = msgspec.json.decode(
        scene.done("train", "--list", "--json").stdout, type=list[OpenRequest]
    )
    assert (listed.request, listed.state, listed.work) == ("r1", "unreadable", None)
    assert "r1  " in scene.done("train", "--list").stdout
    line = scene.done("train", "--follow", "r1", code=Exit.SETUP).stderr
    assert "cancel it with: hangtag cancel r1" in line
    assert "r1 is cancelled" in scene.done("train", "--cancel", "r1").stdout
    wait_for("its end", lambda: not scene.hand.open())
    assert scene.done("train", "--list").stdout == "no request is open\n"
