"""The first steps of a new user, and their errors."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.compose.engine import PROJECT, Compose, environment
from tests.support.processes.fleet import ROOT

FILES = ("docker-compose.yml", "docker-compose.gpu.yml")


def bare(*arguments: str, files: tuple[str, ...] = FILES[:1]) -> subprocess.CompletedProcess[str]:
    """`docker compose` in the checkout, as if it had no .env."""
    named = [part for file in files for part in ("-f", file)]
    return subprocess.run(
        ["docker", "compose", "-p", PROJECT, *named, *arguments], cwd=ROOT, text=True,
        capture_output=True, env=environment(),
    )  # fmt: skip


def test_without_passwords_one_line_names_the_fix() -> None:
    done = bare("--env-file", "/dev/null", "up", "-d")
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "make secrets" in done.stderr


@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_the_example_settings_are_complete(files: tuple[str, ...]) -> None:
    done = bare("--env-file", ".env.example", "--profile", "*", "config", "-q", files=files)
    assert (done.returncode, done.stderr) == (0, "")


def test_making_the_passwords_again_changes_none(compose: Compose) -> None:
    def contents() -> dict[str, bytes]:
        files = [compose.folder / ".env", *compose.secrets.iterdir()]
        return {file.name: file.read_bytes() for file in files}

    before = contents()
    assert len(before) == 6
    subprocess.run(
        [ROOT / "deploy/make-secrets.sh", compose.folder], check=True, capture_output=True
    )
    assert contents() == before
    assert stat.S_IMODE(compose.secrets.stat().st_mode) == 0o700


def test_up_again_changes_nothing(compose: Compose) -> None:
    before = compose.run("ps", "-q")
    compose.scale(len(compose.containers("worker")))
    assert compose.run("ps", "-q") == before


def test_a_wrong_password_is_one_line(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong\n")
    (tmp_path / "password").chmod(0o644)
    wrong = ("-e", "HANGTAG_REDIS_PASSWORD_FILE=/wrong/password", "-v", f"{tmp_path}:/wrong:ro")
    run = compose.start("run", "--rm", "-T", "--no-deps", *wrong, "producer", "workers")
    out, error = run.communicate()
    assert (run.returncode, out) == (1, "")
    assert error.splitlines()[-1].startswith("hangtag: ")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_more_cores_without_more_memory_are_no_more_processes(compose: Compose) -> None:
    def warnings(**settings: str) -> list[str]:
        refused = ("-e", "HANGTAG_REDIS_USER=nobody")  # so that it does not join as a worker
        run = compose.start("run", "--rm", "-T", "--no-deps", *refused, "worker", **settings)
        return [line for line in "".join(run.communicate()).splitlines() if "processes" in line]

    (line,) = warnings(HANGTAG_WORKER_CPUS="2")
    assert line.startswith("worker processes: 1, fewer than 2 cores: ")
    assert warnings(HANGTAG_WORKER_CPUS="2", HANGTAG_WORKER_MEMORY="2700m") == []


def test_images_that_are_not_mounted_are_one_line(compose: Compose, tmp_path: Path) -> None:
    run = compose.start(*compose.producer("classify", "/photos", "-o", "results.csv", out=tmp_path))
    out, error = run.communicate()
    assert (run.returncode, out) == (2, "")
    assert error.splitlines()[-1].startswith("hangtag: /photos: ")


def test_a_table_that_cannot_be_written_is_one_line(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    arguments = ("classify", "/photos", "-o", "/out/results.csv")
    run = compose.start(*compose.producer(*arguments, photos=tmp_path / "photos"))
    out, error = run.communicate()
    assert (run.returncode, out) == (1, "")
    assert error.splitlines()[-1].startswith("hangtag: /out/results.csv.hangtag: Read-only")
