# ruff: noqa: I001 (it imports modules that only 49dae7d3 has)
"""Make the archive beside this file: data as version 0.2.0 wrote them.

Run it with the packages of a checkout of that version, as its modules: the data are what its
commands write. `PYTHONPATH=CHECKOUT python make_v0_2_0.py v0.2.0.tar.xz`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

import hangtag as api
from shared import failpoints
from tests.support.backbones import short_backbone
from tests.support.jobs import handler_context
from tests.support.servers.redis_server import RedisServer, server_binaries
from worker.demo.drawings import silhouette

#: Journals name absolute paths, so that tests unpack the data at the same place.
ROOT = Path("/tmp/hangtag-v0.2.0")
HOME = ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
MODELS = ROOT / "home" / "XDG_DATA_HOME" / "hangtag" / "models"
#: Of every image: 2026-11-01.
MODIFIED_S = 1_793_491_200
#: Pixels of a side: three such images fill a batch.
SIDE = 480
CLASSES = (0, 1, 5, 8)
NAMES = {0: "T-shirt_top", 1: "Trouser", 5: "Sandal", 8: "Bag"}
FORMS = ("tsv", "json", "jsonl")
#: Kills the producer at its n-th commit to the journal, in the middle of the job.
KILLED_AT = 4
#: Caches, plots, and files that SQLite and trainings make again.
LEFT_OUT = (
    "*/.features", "*/[0-9]/*.png", "*/work", "*-shm", "*/short/1/model.keras",
    "*/together/1", "*/together/2", "*/together/3/model.keras",
)  # fmt: skip
#: The recipes of a mean of two networks, with the sides of the images of their short backbones.
HEADS = {"photo-head": 64, "photo-head-large": 96}


def main() -> None:
    if sys.argv[1] == "--killed":
        run_killed(sys.argv[2:])
        return
    out = Path(sys.argv[1]).absolute()
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(mode=0o700)
    os.chdir(ROOT)
    for name in HOME:
        (ROOT / "home" / name).mkdir(parents=True)
        os.environ[name] = str(ROOT / "home" / name)
    os.environ["HANGTAG_RUNTIME_DIR"] = str(ROOT / "run")
    draw_images()
    try:
        jobs()
        sorts()
        labels()
        versions()
        hangtag("down")
        os.environ["HANGTAG_STORE"] = str(ROOT / "stack")
        hangtag("train", "train", "--name", "later", "--request-id", "waiting", "--detach")
    finally:
        hangtag("down")
    shutil.rmtree(ROOT / "run", ignore_errors=True)
    with tarfile.open(out, "w:xz", preset=9) as archive:
        archive.add(ROOT, ROOT.name, filter=neutral)
    print(out, out.stat().st_size)


def hangtag(*arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    print("hangtag", *arguments, flush=True)
    code = subprocess.run([sys.executable, "-m", "producer.cli", *arguments]).returncode
    if code not in codes:
        raise SystemExit(f"{arguments}: exit code {code}")


def draw_images() -> None:
    """Garments as large bitmaps, a file that is no image, odd names, class folders."""
    garments, train = ROOT / "garments", ROOT / "train"
    for label in CLASSES:
        for folder in (garments, train):
            (folder / NAMES[label]).mkdir(parents=True)
        for seed in range(4):
            draw(garments / NAMES[label] / f"{seed}.bmp", label, seed)
        for seed in range(100, 112):
            Image.fromarray(silhouette(label, seed)).save(train / NAMES[label] / f"{seed}.png")
    draw(garments / "=sum.bmp", 8, 90)
    draw(Path(os.fsdecode(os.fsencode(garments) + b"/t\tab-\xff.bmp")), 1, 91)
    shutil.copy(garments / "Bag" / "0.bmp", garments / "copy.bmp")
    (garments / "broken.png").write_bytes(b"no image")
    odd = np.random.default_rng(7).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(odd).save(garments / "odd.bmp")
    for path in garments.rglob("*"):
        if path.is_file():
            os.utime(path, (MODIFIED_S, MODIFIED_S))


def draw(path: Path, label: int, seed: int) -> None:
    grey = Image.fromarray(silhouette(label, seed))
    grey.resize((SIDE, SIDE), Image.Resampling.NEAREST).convert("RGB").save(path)


def jobs() -> None:
    classify("garments", "finished.csv")
    for form in FORMS:
        hangtag("table", "finished.csv", "-o", f"finished.{form}")
    classify("garments", "all.csv", "--probabilities", "--accept", "95")
    classify("garments", "of-form.jsonl")
    subprocess.run([sys.executable, __file__, "--killed", "classify", "garments", "-o", "half.csv"])
    assert Path("half.csv.hangtag").exists()
    assert not Path("half.csv").exists()
    shutil.copytree("garments", "mended")
    classify("mended", "retried.csv")
    shutil.copy("mended/Bag/1.bmp", "mended/broken.png")
    os.utime("mended/broken.png", (MODIFIED_S + 60, MODIFIED_S + 60))
    hangtag("classify", "mended", "-o", "retried.csv", "--retry-failed")
    shutil.copytree("garments", "grown")
    classify("grown", "updated.csv")
    shutil.copy2("grown/Bag/1.bmp", "grown/more.bmp")
    Path("grown/Bag/2.bmp").unlink()
    classify("grown", "updated.csv", "--update")
    corrected()


def classify(folder: str, table: str, *options: str) -> None:
    hangtag("classify", folder, "-o", table, *options, codes=(3,))


def run_killed(arguments: list[str]) -> None:
    from producer.cli import main as cli

    passages = 0

    def on_pass(name: str) -> None:
        nonlocal passages
        passages += name == "journal.committed"
        if passages == KILLED_AT:
            os.kill(os.getpid(), 9)

    failpoints.watch(on_pass)
    sys.argv = ["hangtag", *arguments]
    cli.main()


def corrected() -> None:
    from tests.support.processes.review_server import Review

    classify("garments", "corrected.csv")
    review = Review(ROOT / "corrected.csv")
    rows = review.rows("kind=all&count=30")["rows"]
    by_path = {row["path"]: row["position"] for row in rows}
    review.decide(
        (by_path["garments/Bag/0.bmp"], "Suitcase"),
        (by_path["garments/odd.bmp"], "Coat"),
        (by_path["garments/Sandal/2.bmp"], "Sneaker"),
    )
    review.decide((by_path["garments/Sandal/2.bmp"], None))
    assert review.end() == 0
    hangtag("table", "corrected.csv")


def sorts() -> None:
    shutil.copytree("garments", "to-sort")
    classify("to-sort", "moved.csv")
    hangtag("sort", "moved.csv", "--into", "moved", "--move")


def labels() -> None:
    """By the package, as the page of `hangtag label` writes them."""
    shutil.copytree("train", "photos")
    for label in CLASSES:
        for path in sorted(Path("photos", NAMES[label]).iterdir()):
            path.rename(Path("photos", f"{NAMES[label]}-{path.name}"))
        Path("photos", NAMES[label]).rmdir()
    named = {
        f"photos/{NAMES[label]}-{seed}.png": NAMES[label]
        for label in CLASSES
        for seed in range(100, 110)
    }
    api.label("photos", named)
    api.label("photos", {"photos/Bag-100.png": None})


def versions() -> None:
    """A network, a head of labels with a short backbone, a data check, requests that have ended."""
    of_tutorial = ("--name", "tutorial", "--recipe", "tutorial", "--epochs", "1")
    hangtag("train", "train", *of_tutorial, "--request-id", "of-tutorial")
    hangtag("models", "promote", "tutorial@1", "--alias", "tried")
    classify("garments", "by-tutorial.csv", "--model", "tutorial")
    head_of_photos()
    classify("garments", "by-short.csv", "--model", "short")
    mean_of_heads()
    classify("garments", "by-together.csv", "--model", "together")
    hangtag("train", "train", "--name", "none", "--request-id", "cancelled", "--detach")
    hangtag("train", "--cancel", "cancelled")


def head_of_photos() -> None:
    """By the trainer's handler in this process, whose table of backbones can be changed."""
    from shared.messages.training import Train
    from worker.handlers.train import train

    folder = ROOT / "backbone"
    folder.mkdir()
    with RedisServer(server_binaries()[0]) as server, short_backbone.in_table(folder):
        work = Train("short", "photo-head", str(ROOT / "train"))
        context, _ = handler_context.make(server, MODELS, work, request_id="of-short")
        print(train(context, work).answer, flush=True)
        shutil.rmtree(context.folder.parent)
    shutil.rmtree(folder)


def mean_of_heads() -> None:
    """One graph of two heads in fp32, of which one was for smaller images."""
    from shared import recipes
    from shared.messages.training import Train
    from worker.handlers.train import train

    folder = ROOT / "backbone"
    folder.mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(server_binaries()[0]))
        for recipe, side in HEADS.items():
            name = recipes.find(recipe).backbone
            stack.enter_context(short_backbone.in_table(folder, 2, side, name))
        for recipe in (*HEADS, "photo-together"):
            work = Train("together", recipe, str(ROOT / "train"), precision="fp32")
            work = msgspec.structs.replace(work, promote="always")
            context, _ = handler_context.make(server, MODELS, work, request_id=recipe)
            print(train(context, work).answer, flush=True)
            shutil.rmtree(context.folder.parent)
    shutil.rmtree(folder)


def neutral(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if any(fnmatch(info.name, pattern) for pattern in LEFT_OUT):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    main()
