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
from tests.mutants.guards.order import Measured, Order, module_of
from tests.mutants.guards.processes import Task, each

#: A test of a mutant that takes longer than FACTOR times its usual time and SPARE_S has failed.
FACTOR, SPARE_S = 5.0, 15.0
ENDING_S = 30.0
KILLED, SURVIVED, UNREACHED = "killed", "survived", "reached by no test"


class Tried(NamedTuple):
    """The tests that a fork has run with a mutant or none; `by` is the one that failed."""

    ran: tuple[str, ...]
    by: str
    seconds: float

    @property
    def of_module(self) -> tuple[str, ...]:
        """The tests of the failed one's module, up to that."""
        return tuple(name for name in self.ran if module_of(name) == module_of(self.by))


class Verdict(NamedTuple):
    """What became of a mutant."""

    mutant: str
    result: str
    by: str  #: the test that failed
    tests: int  #: that reach it
    seconds: float


class Zygote:
    """Runs the mutants instead of the tests; the results are in `verdicts`."""

    def __init__(self, mutants: Sequence[str], jobs: int, slow: Sequence[str] = ()) -> None:
        """`slow` are files of tests that are tried with the survivors of all others."""
        self._mutants, self._jobs, self._slow = mutants, jobs, slow
        self.order = Order()
        self.verdicts: list[Verdict] = []
        self.failed: list[str] = []  #: tests that fail without a mutant
        self._reports: list[pytest.TestReport] = []
        self._items: dict[str, pytest.Item] = {}
        self._tasks: deque[Task] = deque()
        #: Whether these tests pass in this order without a mutant.
        self._pass: dict[tuple[str, ...], bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        slow = [item for item in session.items if str(item.path) in self._slow]
        self._try(self._mutants, [item for item in session.items if item not in slow])
        left = [verdict.mutant for verdict in self.verdicts if verdict.result != KILLED]
        if left and slow:
            self.verdicts = [verdict for verdict in self.verdicts if verdict.result == KILLED]
            self.order = Order()
            self._try(left, slow)
        return True

    def _try(self, mutants: Sequence[str], items: list[pytest.Item]) -> None:
        self._measure(items)
        waiting = deque(mutants)
        self._fill(waiting)
        for (judge, mutant, failed), tried in each(self._tasks, self._jobs):
            judge(mutant, failed, tried)
            self._fill(waiting)

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
        elif list(failed.of_module) == self.order.up_to([failed.by]):
            self._without(mutant, failed.by, of_all=True)
        else:
            self.order.ordered.add(module_of(failed.by))
            self._add(mutant)

    def _repeat(self, mutant: str, failed: Tried, again: Tried | None) -> None:
        if again is None or again.by:
            self._note(mutant, KILLED, failed.by, failed.seconds)
        else:
            self._without(mutant, failed.by)

    def _without(self, mutant: str, test: str, of_all: bool = False) -> None:
        """Try the mutant again without this test, whose failure is not due to it."""
        self.order.leave_out(test, "" if of_all else mutant)
        print(f"unreliable: {test} with {mutant}", flush=True)
        self._add(mutant)

    def _note(self, mutant: str, result: str, by: str, seconds: float) -> None:
        if result == KILLED and by in self._items:
            self.order.add_killer(mutant, by)
        verdict = Verdict(mutant, result, by, len(self.order.reaching(mutant)), seconds)
        self.verdicts.append(verdict)
        print(f"{result:10} {seconds:5.1f} s {mutant} [{verdict.tests}] {by}", flush=True)

    def _add(self, mutant: str) -> None:
        if names := self.order.sequence(mutant):
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
        limit_s = sum(_limit_s(self.order.measured[name]) for name in names) + ENDING_S
        run = functools.partial(self._tried, active_mutant, names)
        add = self._tasks.appendleft if soon else self._tasks.append
        add(Task((judge, mutant, failed), run, limit_s))

    def _measure(self, items: list[pytest.Item]) -> None:
        modules: dict[str, list[pytest.Item]] = {}
        for item in items:
            modules.setdefault(module_of(item.nodeid), []).append(item)
        tasks = [
            Task(name, lambda own=own: list(self._measured(own)), 1200.0)  # type: ignore[misc]
            for name, own in modules.items()
        ]
        for name, found in each(deque(tasks), self._jobs):
            if found is None:
                raise pytest.UsageError(f"{name} does not end without a mutant")
            self.order.add(found)
            self.failed += [test.name for test in found if not test.passed]
            print(f"measured {name}: {sum(test.seconds for test in found):.1f} s", flush=True)

    def _measured(self, items: list[pytest.Item]) -> Iterator[Measured]:
        """A process that an earlier test of the module has started may serve later ones, too."""
        with tempfile.NamedTemporaryFile("r", prefix="guards-reached-") as log:
            for item, following in zip(items, [*items[1:], None], strict=True):
                active.activate("", log.name)
                started = time.monotonic()
                passed = self._passes(item, following)
                seconds = time.monotonic() - started
                log.seek(0)
                reached = active.reached | set(log.read().splitlines())
                yield Measured(item.nodeid, passed, seconds, frozenset(reached))

    def _passes(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        self._reports.clear()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return not any(report.failed for report in self._reports)

    def _tried(self, mutant: str, names: Sequence[str]) -> Tried:
        started = time.monotonic()
        active.activate(mutant, "")
        items = [self._items[name] for name in names]
        for i, item in enumerate(items):
            limit = pytest.mark.timeout(_limit_s(self.order.measured[item.nodeid]))
            item.add_marker(limit, append=False)
            following = items[i + 1] if i + 1 < len(items) else None
            if not self._passes(item, following):
                with contextlib.suppress(BaseException):
                    item.session._setupstate.teardown_exact(None)
                return Tried(tuple(names[: i + 1]), item.nodeid, time.monotonic() - started)
        return Tried(tuple(names), "", time.monotonic() - started)


def _limit_s(test: Measured) -> float:
    return FACTOR * test.seconds + SPARE_S


def arguments(paths: Sequence[str]) -> list[str]:
    """Arguments of pytest for the tests in these files and folders."""
    return ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not nightly",
            "-o", "tmp_path_retention_policy=none", *paths]  # fmt: skip
