"""`celery -A tests.faults.apps.litert_worker worker`: workers without the package onnxruntime."""

from __future__ import annotations

from shared import runtimes

row = runtimes.RUNTIMES["onnx"]
runtimes.installed = lambda: [one for one in runtimes.RUNTIMES.values() if one is not row]

from tests.faults.apps.paced_worker import app  # noqa: E402

__all__ = ["app"]
