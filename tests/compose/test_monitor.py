"""The profile `monitor`: metrics for Prometheus."""

from __future__ import annotations

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


def test_metrics_see_the_worker_and_its_work(compose: Compose, photos: Gallery) -> None:
    compose.run("--profile", "monitor", "up", "-d", "--wait", "--scale", "worker=1")
    classify = ("classify", "/photos", "-o", "/tmp/results.csv")
    compose.run(*compose.producer(*classify, photos=photos.cwd / FOLDER / "Dress"))

    def counted() -> bool:
        metrics = get(compose, "metrics", 9808, "/metrics")
        assert re.search(r'^hangtag_workers{queue="classify"} 1\.0$', metrics, re.MULTILINE)
        return f"\nhangtag_images_total {IMAGES}.0\n" in metrics

    wait_for("the images in the metrics", counted, poll_s=0.5)
    output = compose.execute("metrics", "sh", "-c", "touch /new 2>&1; true")
    assert "Read-only file system" in output
