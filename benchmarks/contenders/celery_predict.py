"""Plain Celery as people write it: one image a message, `model(x)`, results in Redis.

The time of the work starts when every child has loaded the model. It includes listing
the folder and writing the table, as for every contender.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.contenders import celery_predict_app
from tests.support.servers.redis_server import RedisServer, server_binaries

#: TensorFlow's import in every child, on a busy machine.
START_LIMIT_S = 300.0
_END_S = 20.0


def main() -> None:
    """Print a report: images, seconds of work."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.contenders.celery_predict", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of a version")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    labels = json.loads((given.model / "card.json").read_bytes())["labels"]
    with RedisServer(server_binaries()[0]) as server, _worker(server, given.model, given.workers):
        wait_until_warm(next(given.folder.rglob("*.png")), given.workers)
        report = run(given.folder, given.output, labels)
    print(json.dumps(report))


def run(folder: Path, output: Path, labels: Sequence[str]) -> dict[str, float]:
    """Classify the folder."""
    start = time.monotonic()
    paths = sorted(folder.absolute().rglob("*.png"))
    results = [celery_predict_app.predict.delay(str(path)) for path in paths]
    with output.open("w", encoding="utf-8") as table:
        table.write("path,label,confidence\n")
        for path, result in zip(paths, results, strict=True):
            label, confidence = result.get()
            table.write(f"{path},{labels[label]},{confidence:.4f}\n")
    return {"images": len(paths), "work_s": time.monotonic() - start}


def wait_until_warm(image: Path, workers: int) -> None:
    """Wait until every child has loaded the model.

    Raises:
        TimeoutError: a child has not.
    """
    deadline, warm = time.monotonic() + START_LIMIT_S, set[int]()
    while len(warm) < workers:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(warm)} of {workers} children have loaded the model")
        sent = [celery_predict_app.warm_up.delay(str(image.absolute())) for _ in range(workers)]
        warm |= {result.get(timeout=START_LIMIT_S) for result in sent}


@contextmanager
def _worker(server: RedisServer, model: Path, children: int) -> Iterator[None]:
    url = server.url.replace("unix://", "redis+socket://")
    celery_predict_app.app.conf.update(broker_url=url, result_backend=url)
    own = {
        celery_predict_app.URL: url,
        celery_predict_app.FOLDER: str(model.absolute()),
    }
    worker = _started(children, {**os.environ, **own})
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(_END_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _started(children: int, environment: dict[str, str]) -> subprocess.Popen[Any]:
    application = ("-A", "benchmarks.contenders.celery_predict_app")
    return subprocess.Popen(
        [sys.executable, "-m", "celery", *application, "worker", "-c", str(children)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
