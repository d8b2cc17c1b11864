"""Which process of pytest-xdist gets tests while another one is replaced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from xdist.remote import Producer

from tests.support.nodes.module_parts import ModuleParts

TESTS = [f"test_{module}.py::test_{number}" for module in "abc" for number in range(4)]


class Node:
    """What a scheduler uses of a test process."""

    gateway = SimpleNamespace(id="")

    def __init__(self) -> None:
        self.shutting_down = False
        self.sent: list[str] = []

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.sent += [TESTS[number] for number in numbers]

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(*nodes: Any) -> ModuleParts:
    option = SimpleNamespace(loadscopereorder=True)
    config = SimpleNamespace(option=option, getvalue=lambda name: ["popen"] * len(nodes))
    scheduler = ModuleParts(config, Producer("", enabled=False), {})
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, TESTS)
    scheduler.schedule()
    return scheduler


def test_a_new_process_gets_tests_once_it_has_collected_them() -> None:
    dead, other_dead, new = Node(), Node(), Node()
    scheduler = scheduled(dead, other_dead)
    assert scheduler.remove_node(dead) == dead.sent[0]
    scheduler.add_node(new)
    assert scheduler.remove_node(other_dead) == other_dead.sent[0]
    assert not new.sent
    scheduler.add_node_collection(new, TESTS)
    scheduler.schedule()
    assert new.sent
    assert not {dead.sent[0], other_dead.sent[0]} & {*new.sent}
