"""A plugin of pytest that collects tests once, and runs them in a fork for each mutant."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from tests.mutants.guards import active
from tests.mutants.guards.processes import Task, each

#: A test of a mutant that takes longer than FACTOR times its usual time and SPARE_S has failed.
FACTOR, SPARE_S = 5.0, 15.0
ENDING_S = 30.0
KILLED, SURVIVED, UNREACHED, UNCLEAR = "killed", "survived", "reached by no test", "no result"


class Measured(NamedTuple):
    """One test without a mutant."""

    name: str
    passed: bool
    seconds: float
    setup_s: float
    reached: frozenset[str]


class Tried(NamedTuple):
    """The tests that a fork has run with a mutant or none; `by` is the one that failed."""

    ran: tuple[str, ...]
    by: str
    seconds: float

    @property
    def of_module(self) -> tuple[str, ...]:
        """The tests of the failed one's module, up to that."""
        return tuple(name for name in self.ran if _module(name) == _module(self.by))


class Verdict(NamedTuple):
    """What became of a mutant."""

    mutant: str
    result: str
    by: str  #: the test that failed
    tests: int  #: that reach it
    seconds: float


class Zygote:
    """Runs the mutants instead of the tests; the results are in `measured` and `verdicts`."""

    def __init__(self, mutants: Sequence[str], jobs: int) -> None:
        self._mutants, self._jobs = mutants, jobs
        self.measured: dict[str, Measured] = {}
        self.verdicts: list[Verdict] = []
        self._reports: list[pytest.TestReport] = []
        self._items: dict[str, pytest.Item] = {}
        self._tasks: deque[Task] = deque()
        #: Whether these tests pass in this order without a mutant.
        self._pass: dict[tuple[str, ...], bool] = {}
        #: Modules whose tests need the order of their file.
        self._ordered: set[str] = set()
        #: Tests that fail without any mutant, and per mutant those whose failure is not due to it.
        self._unreliable: set[str] = set()
        self._useless: dict[str, set[str]] = {}
        #: Of each kind of mutant the tests that have killed one, the latest first.
        self._killers: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        self._measure(session.items)
        waiting = deque(self._mutants)
        self._fill(waiting)
        for (judge, mutant, failed), tried in each(self._tasks, self._jobs):
            judge(mutant, failed, tried)
            self._fill(waiting)
        return True

    def _fill(self, waiting: deque[str]) -> None:
        """Add as many mutants as run at a time: what has killed others decides the order."""
        while waiting and len(self._tasks) < self._jobs:
            self._add(waiting.popleft())

    def _judge(self, mutant: str, _: Tried | None, tried: Tried | None) -> None:
        """A failure counts if the same tests pass without the mutant, and fail again with it."""
        if tried is None:
            self._note(mutant, KILLED, "limit of time", 0.0)
        elif not tried.by:
            self._note(mutant, SURVIVED, "", tried.seconds)
        elif tried.of_module in self._pass:
            self._compare(mutant, tried, self._pass[tried.of_module])
        else:
            self._run(self._control, "", tried.of_module, mutant, tried)

    def _control(self, mutant: str, failed: Tried, control: Tried | None) -> None:
        self._pass[failed.of_module] = control is not None and not control.by
        self._compare(mutant, failed, self._pass[failed.of_module])

    def _compare(self, mutant: str, failed: Tried, passes: bool) -> None:
        if passes:
            self._run(self._repeat, mutant, failed.of_module, mutant, failed)
        elif _module(failed.by) in self._ordered:
            self._unreliable.add(failed.by)
            self._without(mutant, failed.by)
        else:
            self._ordered.add(_module(failed.by))
            self._add(mutant)

    def _repeat(self, mutant: str, failed: Tried, again: Tried | None) -> None:
        if again is None or again.by:
            self._note(mutant, KILLED, failed.by, failed.seconds)
        else:
            self._without(mutant, failed.by)

    def _without(self, mutant: str, test: str) -> None:
        """Try the mutant again without this test, whose failure is not due to it."""
        self._useless.setdefault(mutant, set()).add(test)
        print(f"unreliable: {test} with {mutant}", flush=True)
        self._add(mutant)

    def _note(self, mutant: str, result: str, by: str, seconds: float) -> None:
        if result == KILLED and by in self.measured:
            known = self._killers.get(_kind(mutant), [])
            self._killers[_kind(mutant)] = [by, *(test for test in known if test != by)]
        verdict = Verdict(mutant, result, by, len(self._reaching(mutant)), seconds)
        self.verdicts.append(verdict)
        print(f"{result:10} {seconds:5.1f} s {mutant} [{verdict.tests}] {by}", flush=True)

    def _add(self, mutant: str) -> None:
        if tests := self._reaching(mutant):
            names = self._sequence(self._likely(mutant, tests), tests)
            self._run(self._judge, mutant, names, mutant, None, soon=False)
        else:
            self._note(mutant, UNREACHED, "", 0.0)

    def _run(
        self,
        judge: Callable[[str, Any, Tried | None], None],
        active_mutant: str,
        names: Sequence[str],
        mutant: str,
        failed: Tried | None,
        soon: bool = True,
    ) -> None:
        """Add a task whose result goes to `judge`."""
        limit_s = sum(_limit_s(self.measured[name]) for name in names) + ENDING_S
        run = functools.partial(self._tried, active_mutant, names)
        add = self._tasks.appendleft if soon else self._tasks.append
        add(Task((judge, mutant, failed), run, limit_s))

    def _measure(self, items: list[pytest.Item]) -> None:
        modules: dict[str, list[pytest.Item]] = {}
        for item in items:
            modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
        tasks = [
            Task(name, lambda own=own: list(self._measured(own)), 1200.0)  # type: ignore[misc]
            for name, own in modules.items()
        ]
        for name, found in each(deque(tasks), self._jobs):
            if found is None:
                raise pytest.UsageError(f"{name} does not end without a mutant")
            self.measured.update({test.name: test for test in found})
            print(f"measured {name}: {sum(test.seconds for test in found):.1f} s", flush=True)

    def _measured(self, items: list[pytest.Item]) -> Iterator[Measured]:
        for item, following in zip(items, [*items[1:], None], strict=True):
            with tempfile.NamedTemporaryFile("r", prefix="guards-reached-") as log:
                active.activate("", log.name)
                started = time.monotonic()
                passed, setup_s = self._passes(item, following)
                seconds = time.monotonic() - started
                reached = active.reached | set(log.read().splitlines())
                yield Measured(item.nodeid, passed, seconds, setup_s, frozenset(reached))

    def _passes(self, item: pytest.Item, following: pytest.Item | None) -> tuple[bool, float]:
        self._reports.clear()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        setup_s = sum(report.duration for report in self._reports if report.when == "setup")
        return not any(report.failed for report in self._reports), setup_s

    def _reaching(self, mutant: str) -> list[Measured]:
        """The tests that evaluate the guard, module by module, the cheapest first."""
        useless = self._useless.get(mutant, set()) | self._unreliable
        passed = [test for test in self.measured.values() if test.passed]
        found = [test for test in passed if mutant in test.reached and test.name not in useless]
        cheapest: dict[str, float] = {}
        for test in found:
            module = _module(test.name)
            cheapest[module] = min(cheapest.get(module, test.seconds), test.seconds)
        return sorted(found, key=lambda test: (cheapest[m := _module(test.name)], m, test.seconds))

    def _likely(self, mutant: str, tests: Sequence[Measured]) -> list[str]:
        """What has killed similar mutants, if it is cheaper than most others."""
        seconds = {test.name: test.seconds for test in tests}
        budget_s = sum(seconds.values()) / 3
        likely = []
        for name in self._killers.get(_kind(mutant), []):
            if seconds.get(name, budget_s) < budget_s and _module(name) not in self._ordered:
                likely.append(name)
                budget_s -= seconds[name]
        return likely

    def _sequence(self, likely: Sequence[str], reaching: Sequence[Measured]) -> list[str]:
        """These tests, and in a module that needs its order all that come before them."""
        names = [test.name for test in reaching if test.name not in likely]
        sequence = list(likely)
        for module in dict.fromkeys(map(_module, names)):
            own = [name for name in names if _module(name) == module]
            if module in self._ordered:
                whole = [test.name for test in self.measured.values()
                         if _module(test.name) == module and test.passed]  # fmt: skip
                own = whole[: max(map(whole.index, own)) + 1]
            sequence += own
        return sequence

    def _tried(self, mutant: str, names: Sequence[str]) -> Tried:
        started = time.monotonic()
        active.activate(mutant, "")
        items = [self._items[name] for name in names]
        for i, item in enumerate(items):
            limit = pytest.mark.timeout(_limit_s(self.measured[item.nodeid]))
            item.add_marker(limit, append=False)
            following = items[i + 1] if i + 1 < len(items) else None
            passed, _ = self._passes(item, following)
            if not passed:
                with contextlib.suppress(BaseException):
                    item.session._setupstate.teardown_exact(None)
                return Tried(tuple(names[: i + 1]), item.nodeid, time.monotonic() - started)
        return Tried(tuple(names), "", time.monotonic() - started)


def _kind(mutant: str) -> str:
    """The mutants of one file are similar, and all that do not sync."""
    return "sync" if mutant.endswith("-> nothing") else mutant.partition(": ")[0]


def _module(name: str) -> str:
    return name.partition("::")[0]


def _limit_s(test: Measured) -> float:
    return FACTOR * test.seconds + SPARE_S


def arguments(paths: Sequence[str]) -> list[str]:
    """Arguments of pytest for the tests in these files and folders."""
    return ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not nightly",
            "-o", "tmp_path_retention_policy=none", *paths]  # fmt: skip
