"""The figures of a request that waits or works."""

from __future__ import annotations

from collections.abc import Callable

from producer.present.progress import Figures, Quiet
from producer.trainer.existing import OpenRequest, table
from producer.trainer.request_display import RequestDisplay
from producer.trainer.submit import Viewed
from shared.ledger.request_store import RequestState, RequestView
from shared.messages.requests import Progress, Promote, Request

REQUEST = Request("r1", Promote("shoes@2"), "ann", 1.0)


class Lines(Quiet):
    """Has every line that a display may print."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = list[str]()

    def notice(self, text: str) -> None:
        self.shown.append(text)

    def event(self, text: str) -> None:
        self.shown.append(text)

    def show(self, figures: Callable[[], Figures]) -> None:
        self.shown += [figures().plain(), *figures().live(200)]


def test_nothing_that_others_say_of_a_request_controls_the_terminal() -> None:
    foreign = "\x1b]0;title\x07\n"
    now = Progress(f"{foreign}stage", part=f"{foreign}part")
    work = Promote(f"{foreign}shoes@2")
    row = OpenRequest(f"{foreign}r1", "running", work, f"{foreign}ann", 1.0, now)
    view = RequestView(REQUEST, RequestState.RUNNING, progress=now)
    ahead = RequestView(Request("r0", work, "ann", 1.0), RequestState.RUNNING, progress=now)
    lines = Lines()
    display = RequestDisplay(lines)
    for seen in (Viewed(view, None), Viewed(view, ahead)):
        display.show(seen)
    assert len(lines.shown) >= 6
    for line in (*lines.shown, *table([row])):
        assert foreign not in line


def test_a_request_continues_only_if_another_trainer_takes_it() -> None:
    views = [RequestView(REQUEST, RequestState.WAITING)]
    views += [RequestView(REQUEST, RequestState.RUNNING, owner=name) for name in ("", "a", "a")]
    lines = Lines()
    display = RequestDisplay(lines)
    for view in views:
        display.show(Viewed(view, None))
    assert not [line for line in lines.shown if "continues" in line]
    display.show(Viewed(RequestView(REQUEST, RequestState.RUNNING, owner="b"), None))
    assert [line for line in lines.shown if "continues" in line]
