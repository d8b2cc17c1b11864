"""The figures of a request that waits or works."""

from __future__ import annotations

from producer.requests.open_requests import OpenRequest, table
from producer.requests.request_meter import RequestMeter, ahead_text
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import EndedEpoch, Progress, Promote, Request

REQUEST = Request("r1", Promote("shoes@2"), "ann", 1.0)
AHEAD = "request r0 is ahead, 2:10 min left"


def test_a_log_and_a_terminal_have_what_a_request_waits_for_instead_of_its_stage() -> None:
    meter = RequestMeter()
    progress = Progress("loading", step=3, steps=9)
    list(meter.note(RequestView(REQUEST, RequestState.RUNNING, "vm/1", 1, progress, None)))
    assert "3 of 9" in meter.figures().plain()
    assert "loading" in " ".join(meter.figures().live(80))
    meter.ahead = AHEAD
    assert meter.figures().plain() == AHEAD
    assert meter.figures().live(80) == [AHEAD]


def test_epochs_that_ended_earlier_have_no_pace_of_now() -> None:
    ended = tuple(EndedEpoch(n, 0.5, 0.8, 0.8) for n in (1, 2, 3))
    now = Progress("training", epoch=4, epochs=9, rate=21_856.0, left_s=42.0, ended=ended)
    meter = RequestMeter()
    view = RequestView(REQUEST, RequestState.RUNNING, "vm/1", 1, now, None)
    told = [line for line in meter.note(view) if line.startswith("epoch")]
    assert [("images/s" in line, "left" in line) for line in told] == [
        (False, False), (False, False), (True, True),
    ]  # fmt: skip


def test_while_a_trainer_is_silent_no_time_is_left_and_its_successor_has_a_line() -> None:
    now = Progress("training", epoch=9, epochs=25, step=3, steps=9, rate=800.0, left_s=42.0)
    meter, running = RequestMeter(), RequestState.RUNNING
    list(meter.note(RequestView(REQUEST, running, "vm/1", 1, now, None, silent_s=1.2)))
    assert "42 s left" in meter.figures().plain()
    list(meter.note(RequestView(REQUEST, running, "vm/1", 1, now, None, silent_s=12.0)))
    assert "no news for 12 s" in meter.figures().plain()
    assert "left" not in meter.figures().plain() + " ".join(meter.figures().live(80))
    assert list(meter.note(RequestView(REQUEST, RequestState.WAITING, "", 1, now, None))) == [
        "request r1 is waiting for a trainer; its trainer has stopped, the next one continues it"
    ]
    lines = [*meter.note(RequestView(REQUEST, running, "vm/1", 2, Progress("starting"), None))]
    assert lines == ["a trainer continues request r1", "starting"]


def test_a_request_that_a_trainer_has_just_taken_is_not_said_to_continue() -> None:
    meter, running = RequestMeter(), RequestState.RUNNING
    views = [
        RequestView(REQUEST, RequestState.WAITING, "", 0, None, None),
        RequestView(REQUEST, running, "vm/1", 1, None, None),
        RequestView(REQUEST, running, "vm/1", 1, Progress("starting"), None),
    ]
    lines = [line for view in views for line in meter.note(view)]
    assert lines == ["request r1 is waiting for a trainer", "starting"]


def test_nothing_that_others_say_of_a_request_controls_the_terminal() -> None:
    foreign = "\x1b]0;title\x07\n"
    now = Progress(f"{foreign}stage", part=f"{foreign}part")
    work = Promote(f"{foreign}shoes@2")
    row = OpenRequest(f"{foreign}r1", "running", work, f"{foreign}ann", 1.0, now)
    meter = RequestMeter()
    view = RequestView(REQUEST, RequestState.RUNNING, "vm/1", 1, now, None)
    lines = [*meter.note(view), meter.figures().plain(), *meter.figures().live(200), *table([row])]
    ahead = RequestView(Request("r0", work, "ann", 1.0), RequestState.RUNNING, "vm/1", 1, now, None)
    for line in (*lines, ahead_text(ahead)):
        assert foreign not in line


def test_the_list_of_requests_says_which_ones_another_installation_has() -> None:
    row = OpenRequest("r1", "running", REQUEST.work, "ann", 1.0, elsewhere=True)
    assert "promote shoes@2 (another installation)" in "\n".join(table([row]))


def test_the_list_of_requests_says_that_a_trainer_is_silent_and_not_how_long_it_takes() -> None:
    now = Progress("training", epoch=9, epochs=25, left_s=42.0)
    row = OpenRequest("r1", "running", REQUEST.work, "ann", 1.0, now, silent_s=12.0)
    text = "\n".join(table([row]))
    assert "no news for 12 s" in text
    assert "42 s" not in text
