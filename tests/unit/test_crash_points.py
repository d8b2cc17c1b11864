"""Every step that changes something outside its process has a crash point, and each is tested."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from shared import crash_point, ledger, requests
from tests.armed import Shot
from tests.faults import (
    test_points_of_commands,
    test_points_of_producers,
    test_points_of_retrying,
    test_points_of_trainers,
    test_points_of_workers,
)

ROOT = Path(__file__).parents[2]
PACKAGES = ("producer", "worker", "shared")
#: Where a point's name is made of a script's.
FAMILIES = {"ledger.": ledger.SCRIPTS, "requests.": requests.SCRIPTS}
SUITES: list[ModuleType] = [
    test_points_of_producers,
    test_points_of_workers,
    test_points_of_trainers,
    test_points_of_commands,
    test_points_of_retrying,
]
#: Methods that change files, Redis, or other processes.
CHANGING = {
    "delete", "execve", "expire", "fork", "fsync", "ftruncate", "hdel", "hset", "kill", "link",
    "mkdir", "pexpire", "Popen", "rename", "rmdir", "rmtree", "savez", "send_task", "setbit",
    "symlink", "symlink_to", "touch", "transaction", "unlink", "write_bytes", "write_text", "xdel",
    "zadd", "zrem",
}  # fmt: skip
#: Files without points, and why.
WITHOUT = {
    "this machine's stack: its parts are killed by tests/integration/test_stack*.py": {
        "producer/crew.py", "producer/desired.py", "producer/door.py", "producer/launch.py",
        "producer/lock.py", "producer/member.py", "producer/server.py", "producer/service.py",
        "producer/stack.py", "producer/supervisor.py", "shared/place.py",
    },
    "pictures and samples for a person: drawn again by the same command": {
        "producer/picture_file.py", "producer/show_model.py", "worker/samples.py",
    },
    "what a monitor asks and is told: no work is in it": {"shared/remote_channel.py"},
    "tools of the developers: nothing goes on from what they leave": {"worker/pretrain.py"},
    "a temporary file that nobody else knows of": {"worker/runtime_tensorflow.py"},
    "the cache of a download: renamed when it is whole": {"worker/fashion_mnist.py"},
}  # fmt: skip
#: Functions without a point, and why.
ALONE = {
    "producer/index.py:entries": "forgets what is gone already",
    "producer/table.py:_sync_folder": "changes nothing that a process could see",
    "shared/version_folder.py:_sync": "changes nothing that a process could see",
    "shared/aliases.py:locked": "an empty folder, and a lock that dies with its holder",
    "shared/copies.py:change": "what `_put_aliases` does in one transaction, which has one",
    "worker/stored.py:_to_disk": "changes nothing that a process could see",
    "worker/request_folder.py:answer": "an empty folder, and parts that nobody else knows of",
    "worker/sign_of_life.py:withdraw": "a file that only health checks of this moment read",
    "worker/sign_of_life.py:_write": "a file that only health checks of this moment read",
    "worker/watchdog.py:begin_anew": "the process replaces itself with nothing in hand",
    "worker/class_folder.py:_check_room": "an empty folder",
    "worker/retrain.py:_make": "deletes a state that does not do; the next attempt would, too",
    "producer/run.py:_look": "calls `touch`, which has one",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).glob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_bytes())


def passings(tree: ast.AST) -> Iterator[ast.expr]:
    """What `passed` is called with."""
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id == crash_point.passed.__name__:
            assert isinstance(node, ast.Call)
            yield node.args[0]


def names(argument: ast.expr) -> list[str]:
    if isinstance(argument, ast.Constant):
        return [str(argument.value)]
    assert isinstance(argument, ast.JoinedStr)
    family = ast.literal_eval(argument.values[0])
    return [family + name for name in FAMILIES[family]]


def points() -> Counter[str]:
    """How often each point stands in the product."""
    return Counter(n for _, tree in trees() for argument in passings(tree) for n in names(argument))


def shots(value: object) -> Iterator[Shot]:
    """The shots in a table of cases."""
    if isinstance(value, Shot):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from shots(one)


def reached() -> set[str]:
    """The points that some test waits for: it fails unless they are reached."""
    return {
        shot.name for suite in SUITES for value in vars(suite).values() for shot in shots(value)
    }


def test_every_point_is_reached_by_a_test() -> None:
    assert set(points()) - reached() == set()


def test_every_point_that_is_tested_is_there() -> None:
    assert reached() - set(points()) == set()


def test_a_point_stands_in_one_place() -> None:
    assert [name for name, count in points().items() if count > 1] == []


def changes(function: ast.AST) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            replaces = name == "replace" and len(node.args) == 1 and not node.keywords
            if name in CHANGING or (replaces and not _of_structs(node.func)):
                return True
    return False


def _of_structs(function: ast.Attribute) -> bool:
    """`msgspec.structs.replace` and a `Shot._replace` make a copy."""
    return isinstance(function.value, ast.Attribute) and function.value.attr == "structs"


def test_every_step_that_changes_something_outside_has_a_point() -> None:
    exempt = {path for paths in WITHOUT.values() for path in paths}
    without = {
        f"{path}:{node.name}"
        for path, tree in trees()
        if path not in exempt
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and changes(node) and not list(passings(node))
    }
    assert without == set(ALONE)


def test_an_unwatched_point_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert crash_point._on_pass is None
    crash_point.passed("a.point")
    seen: list[str] = []
    monkeypatch.setattr(crash_point, "_on_pass", seen.append)
    crash_point.passed("a.point")
    assert seen == ["a.point"]
