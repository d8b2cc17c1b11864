"""All findings, and their report as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from producer.doctor import installed, reachable, stored
from producer.doctor.finding import Finding, Level, guarded
from producer.present import style
from producer.present.formatting import counted, one_line
from shared.errors import SetupError
from shared.settings import Settings

_STYLES = {Level.OK: style.good, Level.NOTE: style.doubtful, Level.PROBLEM: style.failed}


def _unread(settings: Settings) -> Iterator[Finding]:
    """Settings that no other check reads: a problem if they are invalid, or else no finding.

    Raises:
        SetupError: one is invalid.
    """
    _ = settings.has_json_logs, settings.allows_local_addresses
    yield from ()


#: What is examined, in the order in which it is displayed: its topic, and its check, which yields
#: findings and changes nothing.
CHECKS: list[tuple[str, Callable[[Settings], Iterator[Finding]]]] = [
    ("settings", _unread),
    ("hangtag", installed.installed),
    ("broker", reachable.reachable),
    ("models", stored.models),
    ("jobs", stored.jobs),
    ("disk", stored.room),
]


class Report(msgspec.Struct, frozen=True):
    """The findings, in the order in which they are displayed."""

    problems: int
    findings: tuple[Finding, ...]


def examine() -> Report:
    """Everything that can be found out without starting or changing anything."""
    findings = tuple(_findings())
    return Report(sum(finding.level is Level.PROBLEM for finding in findings), findings)


def _findings() -> Iterator[Finding]:
    try:
        settings = Settings.from_env()
    except SetupError as error:
        text, _, fix = str(error).partition("; ")
        yield Finding("settings", Level.PROBLEM, text, fix)
        settings = Settings()
    for topic, check in CHECKS:
        yield from guarded(topic, partial(check, settings))


def lines(report: Report, room: int | None) -> Iterator[str]:
    """The report; on a terminal of `room` columns long texts are wrapped."""
    level, topic = (
        _widest([finding.level for finding in report.findings]),
        _widest([finding.topic for finding in report.findings]),
    )
    for finding in report.findings:
        head = f"{finding.level:<{level}}  {finding.topic:<{topic}}  "
        text = one_line(finding.text)
        if room is not None and " " not in text:  # a path
            text = style.shortened(text, room - len(head), style.Keep.END)
        text = style.wrapped(head, text, room)
        yield _STYLES[finding.level](text[: len(finding.level)]) + text[len(finding.level) :]
        if finding.fix:
            yield f"{' ' * len(head)}-> {one_line(finding.fix)}"
    yield counted(report.problems, "problem") if report.problems else "no problems"


def _widest(texts: Sequence[str]) -> int:
    return max(map(len, texts))
