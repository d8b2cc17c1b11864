"""Every step that changes something outside its process has a crash point.

tests/support/failpoints/fired.py checks after the tests that each of them has fired.
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

from shared import failpoints
from tests.faults.producer import (
    test_failpoints,
    test_failpoints_of_commands,
    test_failpoints_of_default_model,
    test_failpoints_of_labels,
    test_failpoints_of_retries,
    test_failpoints_of_review,
    test_failpoints_of_sorting,
    test_failpoints_of_updates,
)
from tests.faults.trainer import test_failpoints as failpoints_of_trainers
from tests.faults.worker import test_failpoints as failpoints_of_workers
from tests.support.failpoints.armed import FIRED_VARIABLE, Points, Shot
from tests.support.failpoints.changing_calls import MODULES, changes
from tests.support.failpoints.fired import ROOT, fired, passings, points, report, trees

SUITES: list[ModuleType] = [
    test_failpoints,
    failpoints_of_workers,
    failpoints_of_trainers,
    test_failpoints_of_commands,
    test_failpoints_of_default_model,
    test_failpoints_of_labels,
    test_failpoints_of_retries,
    test_failpoints_of_review,
    test_failpoints_of_sorting,
    test_failpoints_of_updates,
]
#: Files without points, and why.
WITHOUT = {
    "this machine's stack: its parts are killed by tests/integration/stack": {
        "producer/fleet/commands.py",
        "producer/stack/desired_state.py",
        "producer/stack/server_socket.py",
        "producer/stack/launch.py",
        "producer/processes/lock.py",
        "producer/processes/process_handle.py",
        "producer/stack/redis_server.py",
        "producer/stack/service.py",
        "producer/stack/stack.py",
        "producer/stack/store_lock.py",
        "producer/processes/process_log.py",
        "producer/stack/supervisor.py",
        "shared/broker/runtime_paths.py",
    },
    "plots and samples for a user: drawn again by the same command": {
        "producer/models/dataset.py",
        "producer/predict/plot_file.py",
        "producer/output/image_file.py",
        "producer/pages/page.py",
        "producer/models/show.py",
        "worker/demo/images.py",
    },
    "in the transaction of `Journal`, which has two": {
        "producer/journal/property_table.py",
        "producer/journal/records.py",
        "producer/journal/retries.py",
        "producer/journal/totals.py",
    },
    "requests of a monitor and their replies: they contain no work": {
        "shared/broker/remote_channel.py"
    },
    "processes that decode images for a page: what they lose is a placeholder": {
        "producer/pages/thumbnails.py",
        "producer/pages/worker_process.py",
        "producer/report/heldout_mistakes.py",
        "shared/pipes/framing.py",
    },
    "a process that computes for a page: another one is given all decisions": {
        "producer/labelling/group_process.py",
        "producer/labelling/learner.py",
    },
    "the forms of a table: they write to its draft, and `complete` has points": {
        "producer/formats/json.py",
        "producer/formats/parquet.py",
        "producer/formats/text_format.py",
        "producer/formats/xlsx.py",
    },
    "rows that wait for their partners: a database of this process alone": {
        "producer/compare/paired_rows.py",
        "producer/updating/listed_rows.py",
    },
    "temporary files that no other process uses, and what dead processes left of theirs": {
        "producer/predict/fetched_images.py",
        "worker/lifecycle/scratch_folder.py",
        "worker/runtimes/tensorflow_runtime.py",
    },
    "caches of the store: placed when whole, and computed again if they are missing": {
        "worker/backbones/feature_cache.py",
        "worker/export/backbone_files.py",
        "worker/learners/pixels.py",
        "worker/learners/stored_views.py",
    },
    "the cache of a download: renamed when it is complete": {"worker/datasets/fashion_mnist.py"},
}
#: Functions without a point, and why.
ALONE = {
    "worker/lifecycle/liveness_file.py:remove_dead": "files of dead processes",
    "producer/present/live_lines.py:_write": "text on a terminal",
    "producer/cli/ctrl_c.py:end_at_once": "text on a terminal",
    "producer/journal/job_index.py:make_private": "an empty folder",
    "producer/journal/job_index.py:entries": "removes entries of deleted files",
    "shared/atomic_file.py:place": "its callers have points after it",
    "shared/atomic_file.py:replace_volatile": "state of this machine's stack, as above",
    "shared/atomic_file.py:make_folder": "an empty folder",
    "shared/labels/labels_file.py:_remove_empty": "an empty file",
    "shared/atomic_file.py:sync": "changes nothing that a process could see",
    "shared/atomic_file.py:sync_names": "changes nothing that a process could see",
    "shared/atomic_file.py:create": "its callers have points after it",
    "shared/atomic_file.py:remove": "a part that no other process uses",
    "shared/labels/line_log.py:_write_all": "a part of `append`, which has two points",
    "shared/registry/alias_log.py:_write_all": "a part of `_write`, which has a point",
    "shared/registry/alias_log.py:locked": "an empty folder, and a lock that dies with its holder",
    "shared/registry/file_copies.py:_joined": "a file in memory",
    "shared/registry/mirror_writer.py:change": "a part of `_put_aliases`, which has one",
    "worker/requests/workspace.py:_finish": "an empty folder, and parts that no other process uses",
    "worker/lifecycle/first_import.py:_write": "a pipe to its own parent",
    "worker/lifecycle/liveness_file.py:withdraw": "read by current health checks only",
    "worker/lifecycle/liveness_file.py:_write": "read by current health checks only",
    "worker/lifecycle/native_stderr.py:divert": "this process' own standard error",
    "worker/lifecycle/native_stderr.py:_read": "this process' own standard error",
    "worker/lifecycle/watchdog.py:restart": "the process replaces itself while it is idle",
    "worker/datasets/class_folder.py:_check_room": "an empty folder",
    "worker/handlers/train.py:_built": "deletes a useless state; the next attempt would, too",
    "worker/datasets/class_folder.py:_decode": "a part of what `stored` places when it is whole",
    "shared/ledger/request_store.py:locked": "an empty file, and a lock that dies with its holder",
    "worker/decoding/tiff.py:_redirect_stderr_to_null": "this process' own standard error",
    "producer/formats/table_file.py:render": "writes to a draft, and `complete` has points",
    "producer/formats/table_draft.py:append": "the same",
    "producer/formats/table_draft.py:write": "the same",
    "producer/demo.py:_run": "the same command starts over",
    "producer/demo.py:_make_images": "the same command starts over",
    "shared/broker/redis_client.py:execute": "called by every pipeline; its callers have points",
    "producer/dispatch/loop.py:_poll": "calls `touch`, which has one",
    "producer/dispatch/job_queue.py:renew": "extends lives of keys, as the next `touch` does",
    "producer/sort_log/log.py:sorting": "in a transaction, which has one",
    "producer/sort_log/log.py:seal": "in a transaction, which has one",
    "producer/sort_log/log.py:mark": "in a transaction, which has one",
    "producer/sort_log/log.py:set_base": "in a transaction, which has one",
    "producer/sort_log/log_file.py:_create_tables": "in a transaction, which has one",
    "producer/sort_log/log_file.py:_drop": "in a transaction, which has one",
    "producer/sort_log/log_file.py:_put": "in a transaction, which has one",
    "producer/sort_log/log_file.py:_put_head": "in a transaction, which has one",
    "producer/sort_log/log_tables.py:_expected": "tables in memory",
    "producer/sort_log/log_file.py:close": "an empty file of SQLite's",
    "producer/sort_log/log_file.py:_create": "in a transaction, which has one",
    "producer/sort_log/log_file.py:_all": "text that reads",
    "producer/sorting/placing.py:place": "in a transaction, which has one",
    "producer/sorting/placing.py:_can_link": "calls `link` and `unlink`, which have one",
    "producer/sorting/placing.py:finish": "in a transaction, which has one",
    "producer/sorting/plan.py:again": "in a transaction, which has one",
    "producer/sorting/settle.py:settle": "in a transaction, which has one",
    "producer/sorting/settle.py:__init__": "calls `unlink`, which has one",
    "producer/sorting/settle.py:_is_moved": "calls `unlink`, which has one",
    "producer/sorting/sort.py:rehearse": "a copy of the log that no other process uses",
    "producer/sorting/transfer.py:_fill": "calls `_write`, which has one",
    "producer/sorting/transfer.py:make_file": "calls `_write` and `_part`, which have three",
    "producer/sorting/undo.py:_batch": "in a transaction, which has one",
    "producer/jobs/background_jobs.py:_start": "the log of a refused job; and see `_spawn`",
    "producer/jobs/job_table.py:remove_part": "the job, resumed, removes it again",
    "producer/dataset_check/check.py:check": "writes a journal and a table, which have points",
    "producer/verify/check_format.py:_row_problems": "a table in memory",
    "producer/journal/sealed_journal.py:_open": "a transaction that only reads",
    "producer/journal/journal.py:_record": "in a transaction, which has two",
    "producer/journal/schema.py:clear": "in a transaction, which has two",
    "producer/journal/schema.py:prepare": "empty tables, in one transaction",
    "worker/evaluation/heldout_answers.py:encode": "an archive in memory",
    "worker/inference/outlier_detector.py:encode": "an archive in memory",
    "worker/datasets/decode_files.py:decode_all": "a part of what `stored` places when it is whole",
    "worker/datasets/cache.py:_write": "a part of `split` and `describe`, which have points",
    "worker/requests/shutdown.py:send": "a byte to this process itself",
    "worker/requests/long_work.py:__init__": "a temporary file without a name",
    "producer/sources/lists/piped_list.py:received": "a temporary file without a name",
    "producer/sources/lists/piped_list.py:without_secrets": "a temporary file without a name",
    "producer/sources/lists/piped_list.py:_shorten": "a temporary file without a name",
    "producer/requests/check_class_folders.py:_asked": "a question to a process",
    "producer/requests/check_class_folders.py:write": "a question to a process",
    "worker/inference/serving_cost.py:measured": "a process that changes nothing",
    "worker/check_class_folders.py:main": "a verdict on a pipe",
    "worker/export/convert.py:keras_file": "a temporary file that no other process uses",
    "worker/plots/chart.py:_png": "a plot in memory",
    "worker/thumbnails/small_picture.py:_encoded": "a picture in memory",
    "worker/thumbnails/small_picture.py:warm_up": "pictures in memory",
    "worker/datasets/find_images.py:_png": "a picture in memory",
    "producer/report/model_report.py:_write": "a page for a user: written again as well",
    "producer/dataset_check/check_page.py:write": "a page for a user: written again as well",
    "producer/compare/tables.py:_compare": "a page for a user: written again by the same command",
    "producer/report/report.py:_write": "a page for a user: written again by the same command",
    "worker/decoding/tiff.py:read": "an image in memory",
    "worker/backbones/feature_key.py:_decoder_sample": "an image in memory",
    "worker/requests/maintenance.py:_end_trial": "a kill; the release after it has a point",
    "worker/training/fit.py:store": "calls `save`, which has two",
}


def named(value: object) -> Iterator[str]:
    """The failpoints of the shots in a value, also in nested lists and tables."""
    if isinstance(value, Shot):
        yield value.name
    elif isinstance(value, dict | list | tuple):
        for one in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from named(one)


def test_every_tested_failpoint_exists() -> None:
    tested = {name for suite in SUITES for value in vars(suite).values() for name in named(value)}
    assert tested
    assert tested - set(points()) == set()


def test_a_failpoint_is_in_one_place() -> None:
    assert [name for name, count in points().items() if count > 1] == []


def test_every_step_with_an_external_effect_has_a_failpoint() -> None:
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
def test_a_call_with_an_external_effect_is_recognised(call: str) -> None:
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
def test_a_call_without_an_external_effect_is_ignored(call: str) -> None:
    assert not changes(ast.parse(f"def step():\n    return f({call})"))


def test_functions_of_modules_are_called_by_the_modules_name() -> None:
    """Otherwise the check above could not distinguish them from methods."""
    taken = {
        f"{path}: {node.module}.{one.name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for one in node.names
    }
    assert taken == set()


def test_a_file_of_a_sub_package_is_checked(tmp_path: Path) -> None:
    (tmp_path / "worker" / "sub").mkdir(parents=True)
    (tmp_path / "worker" / "sub" / "step.py").write_text("")
    assert [path for path, _ in trees(tmp_path)] == ["worker/sub/step.py"]


def test_failpoints_that_no_test_fired_are_listed(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a.first\na.second\n")
    (tmp_path / "two").write_text("a.second\n")
    assert report({"a.first", "a.second"}, fired(tmp_path)) == ("2 of 2 points fired", 0)
    text, code = report({"a.first", "a.third"}, fired(tmp_path))
    assert "1 of 2" in text
    assert "a.third" in text
    assert code == 1


def test_a_failpoint_is_noted_when_it_fires_and_not_when_it_is_passed(tmp_path: Path) -> None:
    """In a separate process that the failpoint kills."""
    armed = Points(tmp_path / "armed")
    armed.arm(Shot("a.point", 2))
    script = (
        "from shared.failpoints import failpoint\n"
        "from tests.support.failpoints.armed import watch; watch()\n"
        "for name in ('a.point', 'another.point', 'a.point'): failpoint(name)"
    )
    notes = {FIRED_VARIABLE: str(tmp_path / "fired")}
    died = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**armed.settings, **notes})
    assert died.returncode == -signal.SIGKILL
    assert fired(tmp_path / "fired") == {"a.point"}
    assert (tmp_path / "fired" / "fired").read_text() == "a.point\n"


def test_an_inactive_failpoint_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failpoints._on_pass is None
    failpoints.failpoint("a.point")
    seen: list[str] = []
    monkeypatch.setattr(failpoints, "_on_pass", seen.append)
    failpoints.failpoint("a.point")
    assert seen == ["a.point"]
