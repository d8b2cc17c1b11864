"""The profile `monitor`: metrics for Prometheus, and Celery's Flower."""

from __future__ import annotations

import json
import re
import urllib.request

from tests.compose.engine import Compose
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes.fleet import wait_for

IMAGES = 1000  #: of one class


def get(compose: Compose, service: str, port: int, path: str) -> str:
    """The response of a service at its published port."""
    address = compose.run("port", service, str(port)).strip()
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
        text: bytes = response.read()
    return text.decode()


def test_metrics_and_flower_see_the_worker_and_its_work(compose: Compose, photos: Gallery) -> None:
    up = ("--profile", "monitor", "up", "-d", "--wait", "--scale", "worker=1")
    compose.run(*up, HANGTAG_CELERY_EVENTS="1")
    classify = ("classify", "/photos", "-o", "/tmp/results.csv")
    compose.run(*compose.producer(*classify, photos=photos.cwd / FOLDER / "Dress"))

    def counted() -> bool:
        metrics = get(compose, "metrics", 9808, "/metrics")
        assert re.search(r'^hangtag_workers{queue="classify"} 1\.0$', metrics, re.MULTILINE)
        return f"\nhangtag_images_total {IMAGES}.0\n" in metrics

    def reported() -> bool:
        workers = json.loads(get(compose, "flower", 5555, "/workers?json=1"))["data"]
        return any(worker.get("task-succeeded") for worker in workers)

    wait_for("the images in the metrics", counted, poll_s=0.5)
    wait_for("the work in Flower", reported, poll_s=0.5)
    for service in ("metrics", "flower"):
        output = compose.execute(service, "sh", "-c", "touch /new 2>&1; true")
        assert "Read-only file system" in output
