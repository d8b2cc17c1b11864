"""Every step that changes something outside its process has a crash point.

Whether each of them fires is seen by tests/points_fired.py, after the tests that fire them.
"""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from shared import crash_point
from tests.armed import FIRED_VARIABLE, Points, Shot
from tests.changing import MODULES, changes
from tests.faults import (
    test_points_of_commands,
    test_points_of_producers,
    test_points_of_retrying,
    test_points_of_trainers,
    test_points_of_workers,
)
from tests.points_fired import ROOT, fired, passings, points, report, trees

SUITES: list[ModuleType] = [
    test_points_of_producers,
    test_points_of_workers,
    test_points_of_trainers,
    test_points_of_commands,
    test_points_of_retrying,
]
#: Files without points, and why.
WITHOUT = {
    "this machine's stack: its parts are killed by tests/integration/test_stack*.py": {
        "producer/crew.py", "producer/desired.py", "producer/door.py", "producer/launch.py",
        "producer/lock.py", "producer/member.py", "producer/server.py", "producer/service.py",
        "producer/stack.py", "producer/stack_log.py", "producer/supervisor.py", "shared/place.py",
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
    "shared/atomic_file.py:created": "its callers have points after it",
    "shared/atomic_file.py:place": "its callers have points after it",
    "shared/atomic_file.py:replace_volatile": "state of this machine's stack, as above",
    "shared/atomic_file.py:make_folder": "an empty folder",
    "shared/atomic_file.py:sync": "changes nothing that a process could see",
    "shared/atomic_file.py:sync_folder": "changes nothing that a process could see",
    "shared/atomic_file.py:_remove": "a part that nobody else knows of",
    "shared/aliases.py:_write_all": "a part of `_write`, which has a point",
    "shared/aliases.py:locked": "an empty folder, and a lock that dies with its holder",
    "shared/copies.py:change": "what `_put_aliases` does in one transaction, which has one",
    "worker/request_folder.py:answer": "an empty folder, and parts that nobody else knows of",
    "worker/sign_of_life.py:withdraw": "a file that only health checks of this moment read",
    "worker/sign_of_life.py:_write": "a file that only health checks of this moment read",
    "worker/watchdog.py:begin_anew": "the process replaces itself with nothing in hand",
    "worker/class_folder.py:_check_room": "an empty folder",
    "worker/retrain.py:_make": "deletes a state that does not do; the next attempt would, too",
    "worker/class_folder.py:_decode": "a part of what `stored` places when it is whole",
    "shared/kept_requests.py:locked": "an empty file, and a lock that dies with its holder",
    "worker/tiff.py:_point_stderr_nowhere": "this process' own standard error",
    "producer/demo.py:main": "the same command starts over",
    "producer/demo.py:_run": "the same command starts over",
    "shared/client.py:execute": "what every pipeline calls, at whose callers the points are",
    "producer/run.py:_look": "calls `touch`, which has one",
    "producer/channel.py:renew": "extends lives of keys, as the next `touch` does",
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


def named(value: object) -> Iterator[str]:
    """The points of the shots in it, and in the lists and tables in it."""
    if isinstance(value, Shot):
        yield value.name
    elif isinstance(value, dict | list | tuple):
        for one in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from named(one)


def test_every_point_that_is_tested_is_there() -> None:
    tested = {name for suite in SUITES for value in vars(suite).values() for name in named(value)}
    assert tested
    assert tested - set(points()) == set()


def test_a_point_stands_in_one_place() -> None:
    assert [name for name, count in points().items() if count > 1] == []


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


@pytest.mark.parametrize(
    "call",
    [
        "os.replace(a, b)", "os.remove(a)", "os.makedirs(a)", "os.rename(a, b)", "os.utime(a)",
        "a.replace(b)", "a.unlink()", "a.write_text(b)", "shutil.move(a, b)", "shutil.copy(a, b)",
        "shutil.rmtree(a)", "subprocess.run(a)", "open(a, 'w')", "open(a, mode='ab')",
        "open(a, 'r+b')", "a.open('x')", "os.open(a, os.O_WRONLY)", "r.incr(k)",
        "r.hincrby(k, f, 1)", "r.sadd(k, v)", "r.xadd(k, v)", "r.set(k, v)", "r.set(k, v, 60)",
        "r.set(k, v, ex=60)", "r.flushall()", "r.publish(k, v)", "r.pipeline().hset(k, f, v)",
        "db.execute(text)", "db.executemany(text, rows)", "db.execute('DELETE FROM job')",
        "db.execute(f'{verb} job')", "db.execute('with x as (select 1) delete from job')",
    ],
)  # fmt: skip
def test_a_call_that_changes_something_is_seen(call: str) -> None:
    assert changes(ast.parse(f"def step():\n    return f({call})"))


@pytest.mark.parametrize(
    "call",
    [
        "a.replace(b, c)", "a.replace(b, c, 1)", "msgspec.structs.replace(a)", "open(a)",
        "structs.replace(a, b=c)", "a.copy()", "a.remove(b)", "a.move(b)", "open(a, 'rb')",
        "a.open()", "os.open(a, os.O_RDONLY)", "r.get(k)", "set(a)", "event.set()",
        "axes.set(title=a)", "registry.publish(*a, who=b)", "pipe.execute()", "a.run(b)",
        "db.execute('SELECT n FROM batch')", "db.execute(f'select n from batch {clause}', values)",
    ],
)  # fmt: skip
def test_a_call_that_changes_nothing_is_not_taken_for_a_step(call: str) -> None:
    assert not changes(ast.parse(f"def step():\n    return f({call})"))


def test_functions_of_modules_are_called_by_the_modules_name() -> None:
    """Otherwise the guard above could not tell them from methods of other things."""
    taken = {
        f"{path}: {node.module}.{one.name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for one in node.names
    }
    assert taken == set()


def test_a_file_of_a_sub_package_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "worker" / "sub").mkdir(parents=True)
    (tmp_path / "worker" / "sub" / "step.py").write_text("")
    assert [path for path, _ in trees(tmp_path)] == ["worker/sub/step.py"]


def test_points_that_no_test_fired_are_listed(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a.first\na.second\n")
    (tmp_path / "two").write_text("a.second\n")
    assert report({"a.first", "a.second"}, fired(tmp_path)) == ("2 of 2 points fired", 0)
    text, code = report({"a.first", "a.third"}, fired(tmp_path))
    assert "1 of 2" in text
    assert "a.third" in text
    assert code == 1


def test_a_point_is_noted_when_it_fires_and_not_when_it_is_passed(tmp_path: Path) -> None:
    """In a process of its own, and although it dies there."""
    armed = Points(tmp_path / "armed")
    armed.arm(Shot("a.point", 2))
    script = (
        "from shared.crash_point import passed; from tests.armed import watch; watch()\n"
        "for name in ('a.point', 'another.point', 'a.point'): passed(name)"
    )
    notes = {FIRED_VARIABLE: str(tmp_path / "fired")}
    died = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**armed.settings, **notes})
    assert died.returncode == -signal.SIGKILL
    assert fired(tmp_path / "fired") == {"a.point"}
    assert (tmp_path / "fired" / "fired").read_text() == "a.point\n"


def test_an_unwatched_point_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert crash_point._on_pass is None
    crash_point.passed("a.point")
    seen: list[str] = []
    monkeypatch.setattr(crash_point, "_on_pass", seen.append)
    crash_point.passed("a.point")
    assert seen == ["a.point"]
