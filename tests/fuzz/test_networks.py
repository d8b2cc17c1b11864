"""Damaged files of networks are refused in one line, or give finite answers, within bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.models import drawn_networks, drawn_tflite

BY_DAY, BY_NIGHT = 100, 10_000
#: A process may end in the libraries: only it does, and its file is refused.
GOOD = {"refused", "passed", "killed"}


def outcomes(folder: Path, kind: str, seed: str, count: int) -> Counter[str]:
    """How many damaged files had each outcome."""
    file = folder / f"network.{kind}"
    is_onnx = kind == "onnx"
    file.write_bytes(
        drawn_networks.file(drawn_networks.ultralytics())
        if is_onnx
        else drawn_tflite.with_labels(drawn_tflite.file())
    )
    command = [sys.executable, "-m", "tests.support.models.forked_checks", kind, seed, str(count)]
    done = subprocess.run([*command, file], check=True, capture_output=True, text=True)
    return Counter(json.loads(done.stdout))


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_100_damaged_files_by_day(tmp_path: Path, kind: str) -> None:
    found = outcomes(tmp_path, kind, "day", BY_DAY)
    assert set(found) <= GOOD, found
    assert found["refused"] > BY_DAY / 10
    assert found.total() == BY_DAY


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_10_000_damaged_files_by_night(tmp_path: Path, kind: str) -> None:
    found = outcomes(tmp_path, kind, "night", BY_NIGHT)
    assert set(found) <= GOOD, found
    assert found.total() == BY_NIGHT
