"""A scheduler of pytest-xdist: a module runs in one process, or a long one in several parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xdist.scheduler.loadscope import LoadScopeScheduling


class ModuleParts(LoadScopeScheduling):  # type: ignore[misc]
    """`long` are modules, and the number of their parts. The order of the tests stays."""

    def __init__(self, config: Any, log: Any, long: Mapping[str, int]) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)
        self._long, self._parts = long, dict[str, str]()

    def remove_node(self, node: Any) -> str | None:
        """The test in which a process has died is reported as failed, and does not run again."""
        units = self.assigned_work[node].values()
        left = ((unit, test) for unit in units for test, ended in unit.items() if not ended)
        unit, died_in = next(left, (None, None))
        if unit is not None:
            unit[died_in] = True
        super().remove_node(node)
        return died_in

    def _reschedule(self, node: Any) -> None:
        """A process that replaces one gets tests after it has sent its list of them."""
        if node in self.registered_collections:
            super()._reschedule(node)

    def _split_scope(self, nodeid: str) -> str:
        if not self._parts:
            self._parts = parts_of(self.collection or (), self._long)
        return self._parts[nodeid]


def parts_of(tests: Iterable[str], long: Mapping[str, int]) -> dict[str, str]:
    """The part of each test: its module, and of a long one the number of its share of the tests, in
    their order."""
    modules: dict[str, list[str]] = {}
    for test in tests:
        modules.setdefault(test.partition("::")[0], []).append(test)
    return {
        test: f"{module} {number * long.get(module, 1) // len(own)}"
        for module, own in modules.items()
        for number, test in enumerate(own)
    }
