"""Who follows a job learns how it ended, and finishes it if its process has died."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from producer.job.job_options import STDIN, ErrorBudget, JobOptions
from producer.job.journal import Journal, journal_path
from producer.present.events import Event, Events, Notice, Stored
from producer.run.classify import classify
from producer.run.follow import followed
from producer.run.job import Job
from shared.errors import BrokerAway, Exit, StillOpen, UsageError
from shared.settings import Settings
from shared.stop import Stop
from tests.support.jobs.finished_job import finish, options_of, start


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobOptions:
    """Those of a job with one image."""
    monkeypatch.setattr("producer.run.follow.FOLLOW_S", 0.01)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.png").write_bytes(b"1")
    (tmp_path / "list").write_text("photos/1.png\n")
    return options_of(tmp_path, b"photos")


def run(
    options: JobOptions, act: Callable[[], None] = lambda: None, **given: Any
) -> tuple[Exit, list[str]]:
    """The exit code of the command, without a server, and its notices; `act` at its first event."""
    seen, events, nowhere = list[Event](), Events(), Settings(redis_url="unix:///nowhere.sock")

    def see(event: Event) -> None:
        seen.append(event)
        if len(seen) == 1:
            act()

    events.subscribe(see, Stored, Notice)
    stdin = given.pop("stdin", None)
    asked = msgspec.structs.replace(options, timeout_s=0.2, **given)
    code = classify(asked, nowhere, stdin=stdin, events=events).exit_code
    return code, [event.text for event in seen if isinstance(event, Notice)]


@pytest.mark.parametrize("code", [Exit.OK, Exit.CANCELLED])
def test_a_job_ends_for_who_follows_it_as_for_its_own_command(
    options: JobOptions, code: Exit
) -> None:
    finish(options, stop_after=0)
    producer = Job(options)

    def end() -> None:
        if code is Exit.OK:
            producer.finish(code, producer.table.write_table())
        else:
            producer.store_stop(code)
        producer.close()

    assert run(options, end) == (code, [])


@pytest.mark.parametrize("has_started", [True, False])
def test_a_job_whose_process_dies_is_taken_over_if_its_images_are_known(
    options: JobOptions, has_started: bool
) -> None:
    if has_started:
        finish(options, stop_after=0)
    journal = Journal(journal_path(options.output))  # as its process holds it
    if has_started:
        with pytest.raises(BrokerAway):
            run(options, journal.close)
        return
    with pytest.raises(UsageError, match="never started; start it with"):
        run(msgspec.structs.replace(options, roots=()), journal.close)


def test_a_job_whose_process_has_ended_before_it_is_followed_is_left_to_the_command(
    options: JobOptions,
) -> None:
    assert followed(options, Events(), Stop()) is None
    finish(options)
    assert followed(options, Events(), Stop()) is None


@pytest.mark.parametrize(
    "other",
    [
        {"restart": True},
        {"retry_failed": True},
        {"update": True},
        {"accept": 0.95},
        {"roots": (), "list_file": b"list"},
        {"list_file": STDIN},
    ],
)
def test_a_running_job_is_followed_by_the_same_command_alone(
    options: JobOptions, other: dict[str, Any]
) -> None:
    """A list from standard input is not compared."""
    if other == {"list_file": STDIN}:
        options = msgspec.structs.replace(options, roots=(), **other)
        other = {"stdin": BytesIO(b"photos/1.png\n")}
    with closing(Job(options)) as producer:
        start(producer, options)
        if "stdin" not in other:
            with pytest.raises(StillOpen, match="runs on after --timeout; the same command"):
                run(options)
        with pytest.raises(UsageError, match="is already running"):
            run(options, **other)
        producer.store_attempt(ErrorBudget())  # as one of this process
        with pytest.raises(UsageError, match="is already running"):
            run(options)
