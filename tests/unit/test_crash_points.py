"""Every step that changes something outside its process has a crash point, and each is tested."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from shared import crash_point, ledger, requests
from tests.faults import (
    test_points_of_commands,
    test_points_of_producers,
    test_points_of_retrying,
    test_points_of_trainers,
    test_points_of_workers,
)
from tests.reached import shots_of

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
    "chmod", "copyfile", "delete", "executescript", "execv", "execve", "expire", "fchmod", "fork",
    "fsync", "ftruncate", "hdel", "hset", "hsetnx", "kill", "killpg", "link", "lpush", "mkdir",
    "pexpire", "Popen", "pwrite", "rename", "rmdir", "rmtree", "rpush", "save", "savez",
    "send_task", "setbit", "symlink", "symlink_to", "terminate", "touch", "transaction", "unlink",
    "write", "write_bytes", "write_text", "xdel", "zadd", "zrem", "zremrangebyscore",
}  # fmt: skip
#: SQL that changes a database begins so.
SQL = re.compile(r"\s*(?i:ALTER|BEGIN|COMMIT|CREATE|DELETE|DROP|INSERT|REPLACE|UPDATE)\b")
#: Modes and flags of `open` that make a file or write to it.
WRITING = re.compile(r"O_CREAT|O_TRUNC|'[rbt+]*[wax][rbt+]*'|'r[bt]*\+[bt]*'")
#: Files without points, and why.
WITHOUT = {
    "this machine's stack: its parts are killed by tests/integration/test_stack*.py": {
        "producer/crew.py", "producer/desired.py", "producer/door.py", "producer/launch.py",
        "producer/lock.py", "producer/member.py", "producer/server.py", "producer/service.py",
        "producer/stack.py", "producer/supervisor.py", "shared/place.py",
    },
    "pictures and samples for a person: drawn again by the same command": {
        "producer/dataset.py", "producer/drawn.py", "producer/picture_file.py",
        "producer/show_model.py", "worker/samples.py",
    },
    "in the transaction of `Journal`, which has two": {
        "producer/properties.py", "producer/records.py", "producer/repeats.py",
        "producer/totals.py",
    },
    "what a monitor asks and is told: no work is in it": {"shared/remote_channel.py"},
    "tools of the developers: nothing goes on from what they leave": {"worker/pretrain.py"},
    "a temporary file that nobody else knows of": {"worker/runtime_tensorflow.py"},
    "the cache of a download: renamed when it is whole": {"worker/fashion_mnist.py"},
}  # fmt: skip
#: Functions without a point, and why.
ALONE = {
    "producer/index.py:_make": "an empty folder",
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
    "producer/compare_form.py:_rows": "a table in memory",
    "producer/journal.py:_record": "in a transaction, which has two",
    "producer/journal_lock.py:_try": "an empty file, and a lock that dies with its holder",
    "producer/journal_schema.py:clear": "in a transaction, which has two",
    "producer/journal_schema.py:prepare": "empty tables, in one transaction",
    "worker/decoded.py:decode_all": "a part of what `stored` places when it is whole",
    "worker/ending.py:tell": "a byte to this process itself",
    "worker/export.py:keras_file": "a temporary file that nobody else knows of",
    "worker/look.py:_encode": "a picture in memory",
    "worker/tiff.py:read": "a picture in memory",
    "worker/train.py:train": "calls `save`, which has two",
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


def reached() -> set[str]:
    """The points that some test waits for: it fails unless they are reached."""
    return {shot.name for suite in SUITES for shot in shots_of(suite)}


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
            if _sets_a_key(node) or _changes_rows(node) or _opens_to_write(node):
                return True
    return False


def _sets_a_key(node: ast.Call) -> bool:
    """Redis' `set` has a key and a value; that of an event nothing, that of axes names."""
    return isinstance(node.func, ast.Attribute) and node.func.attr == "set" and len(node.args) == 2


def _changes_rows(node: ast.Call) -> bool:
    assert isinstance(node.func, ast.Attribute)
    if node.func.attr not in ("execute", "executemany") or not node.args:
        return False
    text = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
    return isinstance(text, ast.Constant) and bool(SQL.match(str(text.value)))


def _opens_to_write(node: ast.Call) -> bool:
    assert isinstance(node.func, ast.Attribute)
    given = (*node.args, *(one.value for one in node.keywords))
    return node.func.attr == "open" and any(WRITING.search(ast.unparse(one)) for one in given)


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


#: A suite as it may be written. In all but the first no test waits for the point.
SUITE = """
import pytest
from tests.armed import Shot, KILL

CASES = [Shot("a.point", 1, KILL)]
DEATH = Shot("a.point")
"""
FIRES = """
@pytest.mark.parametrize("shot", CASES, ids=str)
def test_it(shot): pass
"""
NAMES = """
def test_it(): arm(DEATH)
"""
SAYS = """
class Scene:
    pass

def test_it(): arm(Shot("a.point", 2))
"""


@pytest.mark.parametrize(
    ("tests", "fires"),
    [
        (FIRES, True),
        (NAMES, True),
        (SAYS, True),
        (FIRES.replace("CASES", "[('x', CASES)]"), True),
        ("", False),
        (FIRES.replace("test_it", "_test_it"), False),
        (FIRES.replace("@", "@pytest.mark.skip\n@", 1), False),
        (FIRES.replace("@", "@pytest.mark.skipif(True, reason='x')\n@", 1), False),
        (FIRES.replace("CASES", "[pytest.param(CASES[0], marks=pytest.mark.skip)]"), False),
        (FIRES.replace("pass", "\n    pytest.skip('x')"), False),
        ("pytestmark = pytest.mark.skip" + FIRES, False),
        (NAMES.replace("DEATH", "1"), False),
    ],
)  # fmt: skip
def test_a_shot_counts_only_in_a_test_that_is_run(tmp_path: Path, tests: str, fires: bool) -> None:
    path = tmp_path / "suite.py"
    path.write_text(SUITE + tests)
    spec = importlib.util.spec_from_file_location("suite", path)
    assert spec is not None
    assert spec.loader is not None
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    assert {shot.name for shot in shots_of(suite)} == ({"a.point"} if fires else set())


def test_an_unwatched_point_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert crash_point._on_pass is None
    crash_point.passed("a.point")
    seen: list[str] = []
    monkeypatch.setattr(crash_point, "_on_pass", seen.append)
    crash_point.passed("a.point")
    assert seen == ["a.point"]
