"""Add to the archive beside this file what make_69e60f4f.py did not make, written by that commit:
tables in every form, versions of the recipes for photos, and requests that have not ended.

Run it as that script, on its archive: `PYTHONPATH=CHECKOUT python add_to_69e60f4f.py
69e60f4f.tar.xz`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec

from producer.output.csv_cells import unescape
from shared import failpoints
from shared.messages.requests import Train
from shared.registry.registry import Registry
from tests.support.backbones import short_backbone
from tests.support.jobs import expected_table, handler_context
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer, server_binaries
from worker.handlers.train import train
from worker.training.epoch import Epoch

#: As in make_69e60f4f.py.
ROOT = Path("/tmp/hangtag-69e60f4f")
HOME = ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
MODELS = ROOT / "home" / "XDG_DATA_HOME" / "hangtag" / "models"
RUN = ROOT / "run"
FORMS = ("csv", "tsv", "jsonl")
#: Tables of which the archive has one form.
PLAIN = ("retried", "corrected", "sorted", "moved", "by-tutorial", "check")
#: Tables of other rows or columns: name, job, options.
DISPLAYS = (
    ("so-far-of-half", "half", ()),
    ("so-far-of-budget", "budget", ()),
    ("unsure", "finished", ("--min-confidence", "90%")),
    ("narrow", "finished", ("--columns", "guess,confidence,label")),
    ("two", "all", ("--top-k", "2", "--accept", "all", "--no-probabilities")),
    ("uncorrected", "corrected", ("--no-corrections",)),
)
#: Photo recipes and their versions; a short backbone keeps them small.
PHOTOS = {"photo": "photo", "photo-head": "short", "photo-fine": "fine", "photo-scratch": "scratch"}
#: Versions whose networks the archive lacks, so that no trainer publishes them.
INCOMPLETE = ("fast", "accurate")
#: Enough for the training to run still when it is killed.
EPOCHS = 60
#: Files that are left out for their size, or because they are only caches.
LEFT_OUT = (
    *("*/.features", "*-shm"),
    *(f"*/{name}/1/{files}" for name in PHOTOS.values() for files in ("model.keras", "*.png")),
)
TRAINING = ("--recipe", "tutorial", "--epochs", str(EPOCHS), "--detach")
PATIENCE_S = 120.0


def main() -> None:
    if sys.argv[1] == "--killed":
        photo_training(Path(sys.argv[2]))
        return
    archive = Path(sys.argv[1]).absolute()
    shutil.rmtree(ROOT, ignore_errors=True)
    with tarfile.open(archive) as old:
        old.extractall(ROOT.parent, filter="data")
    os.chdir(ROOT)
    for name in HOME:
        os.environ[name] = str(ROOT / "home" / name)
    os.environ["HANGTAG_RUNTIME_DIR"] = str(RUN)
    try:
        tables_and_versions()
        hangtag("down")
        shutil.rmtree(RUN)
        of_a_stack(ROOT / "stack", cancelled=False)
        of_a_stack(ROOT / "cancelled", cancelled=True)
        at_a_broker(ROOT / "broker")
        subprocess.run([sys.executable, __file__, "--killed", str(ROOT / "photos")])
    finally:
        power_off()
    pack(archive)


def tables_and_versions() -> None:
    for name in PLAIN:
        forms(name, name, (), ("tsv", "jsonl"))
    for name, job, options in DISPLAYS:
        forms(name, job, options, FORMS)
    photo_versions()
    for name in PHOTOS.values():
        hangtag("classify", "garments", "-o", f"by-{name}.csv", "--model", name, codes=(3,))
        forms(f"by-{name}", f"by-{name}", (), ("tsv", "jsonl"))
    paths = [row.partition(",")[0] for row in Path("finished.csv").read_text().splitlines()[1:]]
    images = [os.fsdecode(unescape(path)) for path in paths]
    for name in INCOMPLETE:
        version = expected_table.published(Registry(MODELS), Registry(MODELS).card(name, 1))
        Path(f"by-{name}.csv").write_bytes(expected_table.table(ROOT, images, version=version))


def hangtag(*arguments: str, codes: tuple[int, ...] = (0,), **settings: str) -> None:
    print("hangtag", *arguments, flush=True)
    code = subprocess.run(command(*arguments), env={**os.environ, **settings}).returncode
    if code not in codes:
        raise SystemExit(f"{arguments}: exit code {code}")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "producer.cli", *arguments]


def forms(name: str, job: str, options: Sequence[str], suffixes: Sequence[str]) -> None:
    for suffix in suffixes:
        hangtag("table", f"{job}.csv", "-o", f"{name}.{suffix}", *options)


def photo_versions() -> None:
    """By the trainer's handler in this process, whose table of backbones can be changed."""
    folder = ROOT / "short"
    folder.mkdir()
    with RedisServer(server_binaries()[0]) as server, short_backbone.in_table(folder):
        for recipe, name in PHOTOS.items():
            work = Train(name, recipe, str(ROOT / "train"), epochs=recipe_epochs(recipe))
            context, _ = handler_context.make(server, MODELS, work, request_id=f"of-{name}")
            print(recipe, train(context, work).answer, flush=True)
            shutil.rmtree(context.folder.parent)
    shutil.rmtree(folder)


def photo_training(store: Path) -> None:
    """A network for photos; the process is killed at its first checkpoint."""

    def on_pass(name: str) -> None:
        if name == "checkpoint.placed":
            server.kill()
            os.kill(os.getpid(), signal.SIGKILL)

    folder = Path(tempfile.mkdtemp())
    with RedisServer(server_binaries()[0]) as server, short_backbone.in_table(folder):
        work = Train("scratch", "photo-scratch", str(ROOT / "train"), epochs=3)
        context, _ = handler_context.make(server, store, work, request_id="running")
        failpoints.watch(on_pass)
        train(context, work)


def recipe_epochs(recipe: str) -> int:
    return 0 if recipe in ("photo", "photo-head") else 2


def of_a_stack(store: Path, cancelled: bool) -> None:
    """A training of this machine's stack that has a checkpoint when the machine loses power, and
    one that waits; or a training that is cancelled at that moment, and one that had not begun."""
    settings = {"HANGTAG_STORE": str(store)}
    train_ = ("train", "train", "--name", "stopped", "--request-id")
    hangtag(*train_, "running", *TRAINING, **settings)
    wait_for_checkpoint(store, "running")
    stop(pids("worker.trainer"))
    waits = (*train_, "waiting", "--recipe", "tutorial", "--epochs", "2", "--detach")
    hangtag(*waits, **settings)
    if cancelled:
        hangtag("train", "--cancel", "running", **settings)
        hangtag("train", "--cancel", "waiting", **settings)
    power_off()
    check_checkpoint(store, "running")


def at_a_broker(store: Path) -> None:
    """A training that has a checkpoint, and one waiting request of each kind, in the store and in
    Redis, whose keys are in broker.json."""
    small_versions(store)
    labels, network = ROOT / "labels.txt", ROOT / "tiny.keras"
    tiny_network(network)
    labels.write_text("dark\nlight\n")
    settings = {"HANGTAG_STORE": str(store), "HANGTAG_ROUND_S": "0.5", "HANGTAG_HEARTBEAT_S": "0.5"}
    with RedisServer(server_binaries()[0]) as server, Fleet(server, **settings) as fleet:
        url = {"HANGTAG_REDIS_URL": server.url}
        trainer = fleet.worker(2, "worker.trainer")
        name = ("--name", "resumed", "--request-id", "running")
        hangtag("train", "train", *name, *TRAINING, **settings, **url)
        wait_for_checkpoint(store, "running")
        children = trainer.children
        stop(children)
        check_checkpoint(store, "running")
        for arguments in (
            ("train", "train", "--name", "begun", *TRAINING[:2], "--epochs", "2"),
            ("models", "import", str(network), "--labels", str(labels), "--name", "tiny"),
            ("models", "evaluate", "tutorial@1", "--data", "train"),
            ("dataset", "show", "--data", "train", "--json"),
            ("dataset", "check", "train", "-o", "open-check.csv"),
            ("models", "promote", "promoted@2"),
            ("models", "rollback", "rolled"),
            ("models", "prune", "pruned", "--keep", "1"),
            ("models", "rm", "removed@2", "--yes"),
        ):
            submitted(store, arguments, {**settings, **url})
        write_keys(server.client, ROOT / "broker.json")
    network.unlink()
    labels.unlink()


def small_versions(store: Path) -> None:
    """A version that can be measured, and three of models whose versions are only counted."""
    shutil.copytree(MODELS / "tutorial", store / "tutorial")
    registry = Registry(store)
    card = Registry(MODELS).card("tutorial", 1)
    for name in ("promoted", "rolled", "pruned", "removed"):
        for _ in range(3):
            new = msgspec.structs.replace(card, name=name, files={}, request="")
            registry.publish(new, {"model.tflite": b"model"})
        if name == "rolled":
            registry.promote(name, 2)


def tiny_network(file: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    keras.Sequential(layers).save(file)


def submitted(store: Path, arguments: Sequence[str], settings: dict[str, str]) -> None:
    """Start a command, and kill it once the trainer has stored its request."""
    before = requests(store)
    print("submitted: hangtag", *arguments, flush=True)
    process = subprocess.Popen(command(*arguments), env={**os.environ, **settings})
    try:
        wait_until(lambda: len(requests(store)) > len(before) or process.poll() is not None)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def requests(store: Path) -> list[Path]:
    return list((store / ".requests").glob("*/request.json"))


def wait_for_checkpoint(store: Path, request_id: str) -> None:
    wait_until((store / ".requests" / request_id / "work" / "state.npz").exists)


def check_checkpoint(store: Path, request_id: str) -> None:
    """The training had not ended."""
    import numpy as np

    with np.load(store / ".requests" / request_id / "work" / "state.npz") as state:
        _, history = msgspec.json.decode(state["about"].tobytes(), type=tuple[str, list[Epoch]])
    print(request_id, "has a checkpoint of epoch", len(history), flush=True)
    assert 0 < len(history) < EPOCHS


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def stop(pids: Sequence[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def pids(part: str = "") -> list[int]:
    """The processes of the stack, or of one part of it."""
    mine = procfs.with_variable("HANGTAG_RUNTIME_DIR", str(RUN))
    return [pid for pid in mine if pid != os.getpid() and part in command_line(pid)]


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")


def power_off() -> None:
    """Kill every process of the stack."""
    for pid in pids():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not pids())
    shutil.rmtree(RUN, ignore_errors=True)


def write_keys(client: Any, file: Path) -> None:
    """Those of requests and the hints, as JSON: type, value; bytes as Latin-1."""
    keys = map(text, sorted(client.keys("hangtag:*")))
    found = {key: value_of(client, key) for key in keys if is_of_requests(key)}
    file.write_text(json.dumps(found, indent=1))


def is_of_requests(key: str) -> bool:
    return key.startswith("hangtag:request") or key == "hangtag:train"


def value_of(client: Any, key: str) -> tuple[str, object]:
    kind = text(client.type(key))
    if kind == "hash":
        return kind, {text(name): text(value) for name, value in client.hgetall(key).items()}
    if kind == "list":
        return kind, [text(value) for value in client.lrange(key, 0, -1)]
    if kind == "zset":
        return kind, {
            text(name): score for name, score in client.zrange(key, 0, -1, withscores=True)
        }
    return kind, text(client.get(key))


def text(data: bytes) -> str:
    return data.decode("latin-1")


def pack(out: Path) -> None:
    with tarfile.open(out, "w:xz", preset=9) as archive:
        archive.add(ROOT, ROOT.name, filter=neutral)
    print(out, out.stat().st_size)


def neutral(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if any(fnmatch(info.name, pattern) for pattern in LEFT_OUT):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    main()
