"""Faults of containers do not change a row."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from producer.job.snapshot import JobState, JobView, read_snapshot
from shared import runtimes
from shared.errors import Exit
from shared.messages.model_card import Card
from tests.compose.engine import PROJECT, Compose, docker, ended, environment, log
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import expected_table
from tests.support.jobs.claims import Held, claims, wait_until_taken_over
from tests.support.jobs.expected_table import Version
from tests.support.processes.fleet import ROOT, wait_for

RUNTIME = "litert"
#: Small messages, so that a job has many.
SMALL = ("-e", "HANGTAG_BATCH_IMAGES=8")


def at_photos(table: bytes) -> bytes:
    """The table of the same images mounted at /photos."""
    return table.replace(f"\n{FOLDER}/".encode(), b"\n/photos/")


def of_class(table: bytes, name: str) -> bytes:
    """The heading and the rows of one folder."""
    heading, *rows = table.splitlines(keepends=True)
    start = f"{FOLDER}/{name}/".encode()
    return b"".join([heading, *(row for row in rows if row.startswith(start))])


def new_folder(path: Path) -> Path:
    path.mkdir()
    return path


class Job:
    """`hangtag classify /photos -o /out/results.csv` in a container."""

    def __init__(self, compose: Compose, photos: Path, out: Path, *options: str) -> None:
        self.output = out / "results.csv"
        classify = ("classify", "/photos", "-o", "/out/results.csv", *options)
        arguments = compose.producer(*classify, options=("-T", *SMALL), photos=photos, out=out)
        self.process = compose.start(*arguments)

    def view(self) -> JobView | None:
        """The job's progress. Raises AssertionError if it has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"the job ended too soon: {self.process.communicate()}")
        return read_snapshot(self.output)

    def wait_until_done(self, images: int) -> None:
        """Wait until this number of further images is done."""
        first = self.done
        wait_for(f"{images} images", lambda: self.done >= first + images, poll_s=0.05)

    @property
    def done(self) -> int:
        """Number of images done, while the job runs."""
        view = self.view()
        return view.done if view is not None else 0


def signal_all(container: str, name: str) -> None:
    """Signal every process of a container but its first. Not every engine can pause a container."""
    docker("exec", container, "sh", "-c", f"kill -{name} -1")


def catch(compose: Compose, containers: list[str], job: Job) -> tuple[str, Held]:
    """Stop a container while it holds a batch of this job; return it with that batch."""
    with compose.client() as client:

        def stop() -> tuple[str, Held] | None:
            job.view()
            for held in claims(client):
                found = [
                    container for container in containers if held.owner.startswith(container[:12])
                ]
                if not found:
                    continue
                signal_all(found[0], "STOP")
                now = [other for other in claims(client) if other.owner == held.owner]
                if now:
                    return found[0], now[0]
                signal_all(found[0], "CONT")
            return None

        return wait_for("a container that holds a batch", stop)


def test_scaled_and_killed_workers_and_an_emptied_redis_do_not_change_the_table(
    compose: Compose, large_photos: Gallery, tmp_path: Path
) -> None:
    out = new_folder(tmp_path / "out")
    started = time.monotonic()
    job = Job(compose, large_photos.cwd / FOLDER, out)
    job.wait_until_done(8)
    compose.scale(4)
    log(f"1 -> 4 workers at {job.done:,} images", started)
    job.wait_until_done(32)
    compose.run("restart", "redis")
    job.wait_until_done(32)
    log(f"Redis restarted empty at {job.done:,} images", started)
    compose.scale(2)
    job.wait_until_done(16)
    log(f"4 -> 2 workers at {job.done:,} images", started)
    victim, held = catch(compose, compose.containers("worker"), job)
    docker("kill", victim)
    log(f"a worker was killed at {job.done:,} images", started)
    compose.scale(4)  # the job runs at least until another worker has the batch
    log(f"2 -> 4 workers at {job.done:,} images", started)
    with compose.client() as client:
        wait_until_taken_over(client, held, 60)
    log("another worker has its batch", started)
    output = ended(job.process)
    log(next(line for line in output.splitlines() if line.startswith("job ")), started)
    assert job.output.read_bytes() == at_photos(large_photos.table)


def test_a_model_is_retrained_promoted_and_used(
    compose: Compose, photos: Gallery, tmp_path: Path
) -> None:
    started = time.monotonic()
    train = ("train", "--data", "/data/garments", "--name", "garments", "--recipe", "tutorial")
    output = compose.run(*compose.producer(*train, "--promote", "never"))
    assert "garments@1 is published" in output
    log("trained", started)
    compose.run(*compose.producer("models", "promote", "garments@1"))
    started = time.monotonic()
    job = Job(
        compose, photos.cwd / FOLDER, new_folder(tmp_path / "out"), "--model", "garments"
    )  # fmt: skip
    ended(job.process)
    log("classified with the new version", started)
    version = copied(compose, "garments/1", tmp_path)
    expected = expected_table.table(photos.cwd, photos.paths, version=version)
    assert job.output.read_bytes() == at_photos(expected)


def copied(compose: Compose, version: str, folder: Path) -> Version:
    """A copy of a version from the trainer's volume."""
    compose.run("cp", f"trainer:/var/lib/hangtag/models/{version}", str(folder / "version"))
    card = msgspec.json.decode((folder / "version/card.json").read_bytes(), type=Card)
    return Version(card, (folder / "version" / runtimes.find(RUNTIME).artifact).read_bytes())


def test_the_models_outlive_the_containers(compose: Compose) -> None:
    compose.run("rm", "--stop", "--force", "trainer", "redis")
    compose.run("up", "-d", "--wait", "--no-recreate", "--scale", "worker=4")
    output = wait_for("the models", lambda: models_show(compose, "garments@1"), poll_s=1)
    assert "garments@1" in output


def models_show(compose: Compose, model: str) -> str:
    run = compose.start(*compose.producer("models", "show", model))
    output = "".join(run.communicate())
    return output if run.returncode == 0 else ""


def test_a_producer_on_the_host_uses_the_published_port(
    compose: Compose, photos: Gallery, tmp_path: Path
) -> None:
    def hangtag(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        url = {"HANGTAG_REDIS_URL": f"redis://127.0.0.1:{compose.port}", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-m", "producer.cli", *arguments], cwd=photos.cwd, text=True,
            capture_output=True, env=environment(**url, **settings),
        )  # fmt: skip

    user = {
        "HANGTAG_REDIS_USER": "hangtag-producer",
        "HANGTAG_REDIS_PASSWORD_FILE": str(compose.secrets / "producer.password"),
    }
    output = tmp_path / "bags.csv"
    command = ("classify", f"{FOLDER}/Bag", "-o", str(output))
    refused = hangtag(*command)
    assert (refused.returncode, refused.stdout) == (Exit.SETUP, "")
    assert refused.stderr.count("\n") == 1
    done = hangtag(*command, **user)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == of_class(photos.table, "Bag")


def test_the_same_command_resumes_an_interrupted_job(
    compose: Compose, large_photos: Gallery, tmp_path: Path
) -> None:
    out, sandals = new_folder(tmp_path / "out"), large_photos.cwd / FOLDER / "Sandal"
    classify = ("classify", "/photos", "-o", "results.csv")
    first = compose.type(*compose.producer(*classify, options=SMALL, photos=sandals, out=out))
    wait_for("an image", lambda: (view := read_snapshot(out / "results.csv")) and view.done)
    first.press_ctrl_c()
    code, output = first.end()
    assert code == Exit.INTERRUPTED, output
    view = read_snapshot(out / "results.csv")
    assert view is not None
    rows = of_class(large_photos.table, "Sandal")
    assert (view.state, 0 < view.done < rows.count(b"\n") - 1) == (JobState.PAUSED, True), view
    second = Job(compose, sandals, out)
    ended(second.process)
    expected = rows.replace(f"\n{FOLDER}/Sandal/".encode(), b"\n/photos/")
    assert second.output.read_bytes() == expected


@pytest.mark.parametrize("uid", [os.getuid(), 4242])
def test_the_files_of_a_producer_belong_to_the_caller(
    compose: Compose, photos: Gallery, tmp_path: Path, uid: int
) -> None:
    out = new_folder(tmp_path / "out")
    settings: dict[str, str] = {}
    if uid != os.getuid():
        if os.getuid() != 0:
            pytest.skip("needs root, to change the owner")
        os.chown(out, uid, uid)
        settings = {"HANGTAG_UID": str(uid), "HANGTAG_GID": str(uid)}
    classify = ("classify", "/photos", "-o", "/out/results.csv")
    coats = photos.cwd / FOLDER / "Coat"
    ended(compose.start(*compose.producer(*classify, photos=coats, out=out), **settings))
    assert {path.stat().st_uid for path in out.iterdir()} == {uid}
    assert (out / "results.csv").read_bytes().count(b"\n") > 1


def test_nothing_of_a_producer_is_left(compose: Compose) -> None:
    named = docker("ps", "-aq", "--filter", f"name={PROJECT}-producer")
    assert named == ""
