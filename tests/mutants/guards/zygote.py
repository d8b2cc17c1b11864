"""A plugin of pytest that collects tests once, and runs them in a fork for each mutant.

Mutants run side by side. What has not been killed then runs again alone, with the tests that failed
on their own measured again, so that no result depends on how busy the machine is.
"""

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

#: A test of a mutant that takes longer than FACTOR times its usual time and SPARE_S is late.
FACTOR, SPARE_S = 5.0, 15.0
ENDING_S = 30.0
#: A mutant is late if, right after, the same tests need at most this share of the limit without it.
PROMPT_SHARE = 1 / 3
KILLED, SURVIVED, UNREACHED = "killed", "survived", "reached by no test"
#: Also alone a test has failed that would have to pass without the mutant.
UNDECIDED = "undecided"
#: Stands for the test that failed where a fork did not end.
NO_END = "limit of time"
#: In the report of a test that pytest-timeout has ended.
_LATE = "from pytest-timeout"


class Tried(NamedTuple):
    """The tests that a fork has run with a mutant or none; `by` is the one that failed."""

    ran: tuple[str, ...]
    by: str
    seconds: float
    last_s: float = 0.0  #: of the last test
    is_late: bool = False  #: whether the last test, or the fork, reached its limit of time

    @property
    def of_module(self) -> tuple[str, ...]:
        """The tests of the failed one's module, up to that."""
        if self.by == NO_END:
            return self.ran
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

    def __init__(
        self,
        mutants: Sequence[str],
        jobs: int,
        slow: Sequence[str] = (),
        spare_s: float = SPARE_S,
    ) -> None:
        """`slow` are files of tests that are tried with the survivors of all others."""
        self._mutants, self._jobs, self._slow = mutants, jobs, slow
        self._spare_s = spare_s
        self._known: dict[str, Measured] = {}  #: all tests as they were last measured
        self.order = Order()
        self.verdicts: list[Verdict] = []
        self._reports: list[pytest.TestReport] = []
        self._items: dict[str, pytest.Item] = {}
        self._tasks: deque[Task] = deque()
        #: Tests that pass in this order without a mutant.
        self._pass: set[tuple[str, ...]] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        slow = [item for item in session.items if str(item.path) in self._slow]
        quick, left = [item for item in session.items if item not in slow], self._mutants
        doubtful = set[str]()
        for items in (quick, slow):
            if left and items:
                self.order = Order()
                self._measure(items)
                left = self._try(left)
                doubtful |= self.order.doubtful
        undecided = [verdict.mutant for verdict in self.verdicts if verdict.result == UNDECIDED]
        if undecided:
            self._try_alone(undecided, doubtful)
        return True

    def _try_alone(self, mutants: Sequence[str], doubtful: set[str]) -> None:
        self._jobs = 1
        self._pass.clear()
        self.order = Order()
        self.order.add(self._known.values())
        modules = {module_of(name) for name in doubtful}
        self._measure([i for i in self._items.values() if module_of(i.nodeid) in modules])
        self._try(mutants)

    @property
    def failed(self) -> list[str]:
        """Tests that fail without a mutant."""
        return [test.name for test in self._known.values() if not test.passed]

    def _try(self, mutants: Sequence[str]) -> list[str]:
        """The mutants that were not killed."""
        self.verdicts = [verdict for verdict in self.verdicts if verdict.mutant not in mutants]
        waiting = deque(mutants)
        self._fill(waiting)
        for (judge, mutant, names, failed), tried in each(self._tasks, self._jobs):
            judge(mutant, failed, tried or Tried(names, NO_END, 0.0, is_late=True))
            self._fill(waiting)
        return [verdict.mutant for verdict in self.verdicts if verdict.result != KILLED]

    def _fill(self, waiting: deque[str]) -> None:
        """Add as many mutants as run at a time: what has killed others decides the order."""
        while waiting and len(self._tasks) < self._jobs:
            self._add(waiting.popleft())

    def _judge(self, mutant: str, _: Tried | None, tried: Tried) -> None:
        """A failure counts if the same tests pass without the mutant, and fail again with it."""
        if not tried.by:
            self._note(mutant, SURVIVED, "", tried.seconds)
        elif tried.of_module in self._pass and not tried.is_late:
            self._run(self._repeat, mutant, tried.of_module, mutant, tried)
        else:
            self._run(self._control, "", tried.of_module, mutant, tried)

    def _control(self, mutant: str, failed: Tried, control: Tried) -> None:
        seconds = control.seconds if failed.by == NO_END else control.last_s
        if control.by:
            self._compare(mutant, failed)
        elif failed.is_late and seconds > PROMPT_SHARE * self._limit_of(failed):
            self._without(mutant, failed.by)
        else:
            self._pass.add(failed.of_module)
            self._run(self._repeat, mutant, failed.of_module, mutant, failed)

    def _compare(self, mutant: str, failed: Tried) -> None:
        """These tests fail without the mutant, too."""
        if failed.by == NO_END or list(failed.of_module) == self.order.up_to([failed.by]):
            self._without(mutant, failed.by)
        else:
            self.order.ordered.add(module_of(failed.by))
            self._add(mutant)

    def _repeat(self, mutant: str, failed: Tried, again: Tried) -> None:
        if again.by:
            self._note(mutant, KILLED, failed.by, failed.seconds)
        else:
            self._without(mutant, failed.by)

    def _without(self, mutant: str, test: str) -> None:
        """Try the mutant again without this test, whose failure is not due to it."""
        print(f"unreliable: {test} with {mutant}", flush=True)
        self.order.leave_out(test, mutant)
        if test == NO_END:
            self._note(mutant, UNDECIDED, test, 0.0)
        else:
            self._add(mutant)

    def _note(self, mutant: str, result: str, by: str, seconds: float) -> None:
        if result == KILLED and by in self._items:
            self.order.add_killer(mutant, by)
        if result != KILLED and self.order.is_doubtful(mutant):
            result = UNDECIDED
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
        judge: Callable[[str, Any, Tried], None],
        active_mutant: str,
        names: Sequence[str],
        mutant: str,
        failed: Tried | None,
        soon: bool = True,
    ) -> None:
        """Add a task whose result goes to `judge`."""
        limit_s = sum(map(self._limit_s, names)) + ENDING_S
        run = functools.partial(self._tried, active_mutant, names)
        add = self._tasks.appendleft if soon else self._tasks.append
        add(Task((judge, mutant, tuple(names), failed), run, limit_s))

    def _limit_s(self, test: str) -> float:
        return FACTOR * self.order.measured[test].seconds + self._spare_s

    def _limit_of(self, late: Tried) -> float:
        """The limit that it has reached."""
        if late.by == NO_END:
            return sum(map(self._limit_s, late.ran)) + ENDING_S
        return self._limit_s(late.by)

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
            self._known.update({test.name: test for test in found})
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
        for i, name in enumerate(names):
            before = time.monotonic()
            item = self._items[name]
            item.add_marker(pytest.mark.timeout(self._limit_s(name)), append=False)
            following = self._items[names[i + 1]] if i + 1 < len(names) else None
            passed, now = self._passes(item, following), time.monotonic()
            if not passed:
                is_late = any(_LATE in report.longreprtext for report in self._reports)
                with contextlib.suppress(BaseException):
                    item.session._setupstate.teardown_exact(None)
                return Tried(tuple(names[: i + 1]), name, now - started, now - before, is_late)
        return Tried(tuple(names), "", now - started, now - before)


def arguments(paths: Sequence[str]) -> list[str]:
    """Arguments of pytest for the tests in these files and folders."""
    return ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not nightly",
            "-o", "tmp_path_retention_policy=none", *paths]  # fmt: skip
