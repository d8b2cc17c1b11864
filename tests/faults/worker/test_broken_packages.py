"""A worker whose children cannot import their packages ends at its start and takes no hint."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from shared import keys
from shared.errors import Exit
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import Launch, as_celery, as_product, wait_for

END_S = 30.0
#: What stands in for NumPy, and what the worker's line says of it.
BROKEN = {
    "missing": (
        "raise ModuleNotFoundError(\"No module named 'numpy'\", name='numpy')",
        "numpy is missing; add it with: ",
    ),
    "broken": (
        "raise ImportError('libopenblas.so.0: cannot open shared object file')",
        "(ImportError: libopenblas.so.0: cannot open shared object file)",
    ),
    "of another processor": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGILL)",
        "(it is killed)",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("launch", [as_product, as_celery])
def test_the_worker_ends_with_one_line_and_leaves_the_hints(
    stage: Scenario, tmp_path: Path, kind: str, launch: Launch
) -> None:
    code, line = BROKEN[kind]
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "numpy.py").write_text(code)
    paths = os.pathsep.join([str(tmp_path / "packages"), str(stage.fleet.installation)])
    hints = partial(stage.fleet.client.llen, keys.CLASSIFY_QUEUE)
    producer = stage.classify()
    before = wait_for("a hint", hints)
    broken = stage.fleet.launched(launch, ready=False, PYTHONPATH=paths)
    assert broken.wait(END_S) == Exit.SETUP, broken.story
    assert hints() >= before
    errors = [text for text in broken.log.splitlines() if text.startswith("hangtag: ")]
    assert len(errors) == 1, broken.story
    assert line in errors[0]
    assert "Traceback" not in broken.log
    healthy = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(healthy)
