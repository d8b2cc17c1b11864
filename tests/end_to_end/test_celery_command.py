"""`celery -A worker.app` works as usual in Celery; tests/integration/monitor/ starts workers by
it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from shared import keys
from tests.support.processes.fleet import ROOT
from tests.support.servers.redis_server import RedisServer


def test_the_command_runs_anywhere_and_takes_the_classify_queue(
    server: RedisServer, tmp_path: Path
) -> None:
    env = {**os.environ, "HANGTAG_REDIS_URL": server.url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "report"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert keys.CLASSIFY_QUEUE in done.stdout.decode()
