"""What `hangtag status` displays: a table of the jobs, the newest first."""

from __future__ import annotations

import time
from collections.abc import Sequence

from producer.journal.snapshot import JobState, JobView
from producer.present.formatting import ago, duration, near, one_line
from producer.present.style import Column, Keep, dim, doubtful, failed, fitted, good

_STATES = {
    JobState.RUNNING: good,
    JobState.PAUSED: doubtful,
    JobState.CANCELLED: doubtful,
    JobState.UNREADABLE: failed,
}


def status_table(views: Sequence[JobView], now_s: float | None = None) -> list[str]:
    """The heading and one line for each job; `now_s` is the time in seconds since 1970."""
    now_s = time.time() if now_s is None else now_s
    newest_first = sorted(views, key=lambda view: -view.created)
    return fitted(_COLUMNS, [_row(view, now_s) for view in newest_first])


def _state(text: str) -> str:
    return _STATES[JobState(text)](text) if text in set(_STATES) else text


def _failures(text: str) -> str:
    return text if text == "0" else failed(text)


def _flags(text: str) -> str:
    return text if text == "0" else doubtful(text)


_COLUMNS = (
    Column("job"),
    Column("state", style=_state),
    Column("images", left=False),
    Column("failed", left=False, drop=1, style=_failures),
    Column("flagged", left=False, drop=5, style=_flags),
    Column("images/s", left=False, drop=4),
    Column("left", left=False, drop=2),
    Column("started", drop=3),
    Column("model", least=10, drop=6),
    Column("table", least=12, keep=Keep.END, style=dim),
)


def _row(view: JobView, now_s: float) -> tuple[str, ...]:
    return (
        view.job,
        view.state,
        _images(view),
        f"{view.failed:,}",
        f"{sum(view.flagged.values()):,}",
        "-" if view.rate is None else f"{view.rate:,.0f}",
        "-" if view.left_s is None else duration(view.left_s),
        ago(view.created, now_s),
        one_line(view.model),
        one_line(near(view.output)),
    )


def _images(view: JobView) -> str:
    """`10,000` of a finished job, `4,096 of 10,000` of another."""
    if view.state is JobState.FINISHED:
        return f"{view.done:,}"
    total = f"{view.images:,}+" if view.file_count is None else f"{view.file_count:,}"
    return f"{view.done:,} of {total}"
