"""The tests that a mutant is tried with: those that evaluate its guard, likely killers first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: The kind of what syncs or locks.
_SYNC = "sync"


class Measured(NamedTuple):
    """One test without a mutant."""

    name: str
    passed: bool
    seconds: float
    reached: frozenset[str]


class Order:
    """Learns from each result which tests come first, and which do not count."""

    def __init__(self) -> None:
        self.measured: dict[str, Measured] = {}
        #: Modules whose tests need the order of their file.
        self.ordered: set[str] = set()
        #: Per mutant the tests whose failure is not due to it.
        self._useless: dict[str, set[str]] = {}
        #: Of each kind of mutant the tests that have killed one, the latest first.
        self._killers: dict[str, list[str]] = {}

    def add(self, tests: Iterable[Measured]) -> None:
        self.measured.update({test.name: test for test in tests})

    def add_killer(self, mutant: str, test: str) -> None:
        known = self._killers.get(_kind(mutant), [])
        self._killers[_kind(mutant)] = [test, *(one for one in known if one != test)]

    def leave_out(self, test: str, mutant: str) -> None:
        """The test no longer counts for this mutant."""
        self._useless.setdefault(mutant, set()).add(test)

    def is_doubtful(self, mutant: str) -> bool:
        """Whether some test that does not count might kill this mutant."""
        return bool(self._useless.get(mutant) or self._failed)

    @property
    def doubtful(self) -> set[str]:
        """The tests that do not count, for some mutant or for all."""
        return self._failed.union(*self._useless.values())

    @property
    def _failed(self) -> set[str]:
        return {test.name for test in self.measured.values() if not test.passed}

    def reaching(self, mutant: str) -> list[Measured]:
        """The tests that evaluate the guard, module by module, the cheapest first."""
        useless = self._useless.get(mutant, set())
        passed = [test for test in self.measured.values() if test.passed]
        found = [test for test in passed if mutant in test.reached and test.name not in useless]
        cheapest: dict[str, float] = {}
        for test in found:
            module = module_of(test.name)
            cheapest[module] = min(cheapest.get(module, test.seconds), test.seconds)
        return sorted(
            found, key=lambda test: (cheapest[m := module_of(test.name)], m, test.seconds)
        )

    def sequence(self, mutant: str) -> list[str]:
        """The names of the tests as they are run: where a module needs its order, all tests of the
        module up to the last one that evaluates the guard."""
        reaching = self.reaching(mutant)
        sequence = self._likely(mutant, reaching)
        names = [test.name for test in reaching if test.name not in sequence]
        for module in dict.fromkeys(map(module_of, names)):
            own = [name for name in names if module_of(name) == module]
            sequence += self.up_to(own) if module in self.ordered else own
        return sequence

    def _likely(self, mutant: str, tests: Sequence[Measured]) -> list[str]:
        """What has killed similar mutants, and what lies beside that, if it is cheaper than most
        others."""
        seconds = {test.name: test.seconds for test in tests}
        # Few tests look at what is synced, and others take longer together.
        share = 1 if _kind(mutant) == _SYNC else 1 / 3
        budget_s = sum(seconds.values()) * share
        likely: list[str] = []
        killers = self._killers.get(_kind(mutant), [])
        for name in dict.fromkeys([*killers, *_beside(killers, tests)]):
            if seconds.get(name, budget_s) < budget_s and module_of(name) not in self.ordered:
                likely.append(name)
                budget_s -= seconds[name]
        return likely

    def up_to(self, names: Sequence[str]) -> list[str]:
        """All tests of a module up to the last of these."""
        tests = [test for test in self.measured.values() if test.passed]
        whole = [test.name for test in tests if module_of(test.name) == module_of(names[0])]
        return whole[: max(map(whole.index, names)) + 1]


def _beside(killers: Sequence[str], tests: Sequence[Measured]) -> list[str]:
    """The tests of the modules that have killed, the cheapest first."""
    modules = dict.fromkeys(map(module_of, killers))
    return [test.name for module in modules for test in tests if module_of(test.name) == module]


def _kind(mutant: str) -> str:
    """The mutants of one file are similar, and all that do not sync."""
    return _SYNC if mutant.endswith("-> nothing") else mutant.partition(": ")[0]


def module_of(test: str) -> str:
    """The file of a test."""
    return test.partition("::")[0]
