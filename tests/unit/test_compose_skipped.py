"""Where docker-compose.yml cannot be run, the checks say so and are not red."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import command, first
from tests.fleet import ROOT

#: It runs, has no images, and reaches no registry.
WITHOUT_IMAGES = """
case "$1" in
  image) echo "No such image" >&2; exit 1 ;;
  pull) echo "dial tcp: lookup registry: no such host" >&2; exit 1 ;;
  info|compose) exit 0 ;;
  *) echo "nobody asks me that: $*" >&2; exit 1 ;;
esac
"""
NO_ENGINE = 'echo "Cannot connect to the Docker daemon" >&2; exit 1'


def run(
    programs: Path, *arguments: str | Path, **settings: str
) -> subprocess.CompletedProcess[str]:
    """A command that finds these programs first, and does not know that make started it."""
    others = {n: v for n, v in os.environ.items() if not n.startswith(("MAKE", "MFLAGS"))}
    env = others | {"PATH": first(programs)} | settings
    return subprocess.run(
        [*map(str, arguments)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (WITHOUT_IMAGES, "a base image cannot be had: docker pull"),
        (NO_ENGINE, "no container engine"),
    ],
)
def test_make_says_what_it_has_no_engine_or_no_images_for(
    tmp_path: Path, engine: str, reason: str
) -> None:
    command(tmp_path / "bin", "docker", engine)
    venv = sys.prefix
    made = ("-o", f"{venv}/dev.stamp", "-o", "data", f"VENV={venv}")
    done = run(tmp_path / "bin", "make", "--no-print-directory", "test-compose", *made)
    assert done.stdout.startswith(f"SKIPPED compose ({reason}"), done
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done


@pytest.mark.parametrize(
    ("engine", "lab", "made"),
    [
        (NO_ENGINE, "exit 1", False),  # it cannot be brought
        (NO_ENGINE, "exit 0", True),
        (WITHOUT_IMAGES, "exit 1", True),  # somebody's own, which `make test-compose` asks
    ],
)
def test_the_checks_go_on_without_an_engine_that_cannot_be_brought(
    tmp_path: Path, engine: str, lab: str, made: bool
) -> None:
    """Not even with a target that would fail: an engine may have come without images."""
    programs = tmp_path / "bin"
    command(programs, "docker", engine)
    command(programs, "make", f'echo "$1" >> {tmp_path}/made')
    command(programs, "id", "echo 0")
    command(programs, "apt-get", "exit 0")
    command(tmp_path, "lab", f'[ "$1" = down ] || {lab}')
    done = run(programs, ROOT / ".ci/run", COMPOSE_LAB=str(tmp_path / "lab"))
    targets = (tmp_path / "made").read_text().split()
    assert done.returncode == 0, done
    assert targets == ["check", "test", "test-faults-ci", *(["test-compose"] if made else [])]
    assert ("SKIPPED compose (" in done.stdout) is not made
