"""Make the archive beside this file: data as commit 69e60f4f wrote them.

Run it with the environment of a checkout of that commit, as its modules: the data are what its
commands write. `PYTHONPATH=CHECKOUT python make_69e60f4f.py 69e60f4f.tar.xz`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from PIL import Image

from shared import failpoints
from worker.demo.drawings import silhouette

#: Journals name absolute paths, so that tests unpack the data at the same place.
ROOT = Path("/tmp/hangtag-69e60f4f")
#: Of every file and folder: 2026-11-01.
MODIFIED_S = 1_793_491_200
#: Pixels of a side: three such images fill a batch.
SIDE = 480
CLASSES = (0, 1, 5, 8)
NAMES = {0: "T-shirt_top", 1: "Trouser", 5: "Sandal", 8: "Bag"}
#: Kills the producer at its n-th commit to the journal, in the middle of the job.
KILLED_AT = 4
#: Files of the store that are left out, for their size: a backbone, and copies for retraining.
LEFT_OUT = ("*/.features", "*/head/1/model.*", "*/fast/1/model.keras", "*/accurate/1/model.keras")
#: SQLite makes it again from the log.
INDEX_OF_LOG = "*-shm"


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] == "--killed":
        run_killed(sys.argv[2:])
        return
    out = Path(sys.argv[1]).absolute()
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(mode=0o700)
    os.chdir(ROOT)
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        (ROOT / "home" / name).mkdir(parents=True)
        os.environ[name] = str(ROOT / "home" / name)
    os.environ["HANGTAG_RUNTIME_DIR"] = str(ROOT / "run")
    draw_images()
    try:
        jobs()
        versions()
    finally:
        hangtag("down")
    shutil.rmtree(ROOT / "run", ignore_errors=True)
    pack(out)


def hangtag(*arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    print("hangtag", *arguments, flush=True)
    code = subprocess.run([sys.executable, "-m", "producer.cli", *arguments]).returncode
    if code not in codes:
        raise SystemExit(f"{arguments}: exit code {code}")


def draw_images() -> None:
    """Garments as large bitmaps, a file that is no image, odd names, a class folder."""
    garments = ROOT / "garments"
    for label in CLASSES:
        folder = garments / NAMES[label]
        folder.mkdir(parents=True)
        for seed in range(4):
            draw(folder / f"{seed}.bmp", label, seed)
    draw(garments / "=sum.bmp", 8, 90)
    draw(Path(os.fsdecode(os.fsencode(garments) + b"/t\tab-\xff.bmp")), 1, 91)
    shutil.copy(garments / "Bag" / "0.bmp", garments / "copy.bmp")
    (garments / "broken.png").write_bytes(b"no image")
    rng = np.random.default_rng(7)
    odd = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(odd).resize((40, 40)).save(garments / "odd.bmp")
    train = ROOT / "train"
    for label in CLASSES:
        folder = train / NAMES[label]
        folder.mkdir(parents=True)
        for seed in range(100, 112):
            Image.fromarray(silhouette(label, seed)).save(folder / f"{seed}.png")
    for path in (ROOT / "garments").rglob("*"):
        if path.is_file():
            os.utime(path, (MODIFIED_S, MODIFIED_S))


def draw(path: Path, label: int, seed: int) -> None:
    grey = Image.fromarray(silhouette(label, seed))
    grey.resize((SIDE, SIDE), Image.Resampling.NEAREST).convert("RGB").save(path)


def jobs() -> None:
    failed = (3,)
    hangtag("classify", "garments", "-o", "finished.csv", codes=failed)
    hangtag("classify", "garments", "-o", "top3.csv", "--top-k", "3", codes=failed)
    hangtag(
        "classify", "garments", "-o", "all.csv", "--probabilities", "--accept", "95", codes=failed
    )
    for table in ("finished", "top3", "all"):
        for form in ("tsv", "jsonl"):
            hangtag("table", f"{table}.csv", "-o", f"{table}.{form}")
    killed("classify", "garments", "-o", "half.csv")
    hangtag("classify", "garments", "-o", "budget.csv", "--max-failures", "0", codes=(4,))
    retried()
    corrected()
    hangtag("classify", "garments", "-o", "sorted.csv", codes=failed)
    shutil.copytree("garments", "to-sort")
    hangtag("classify", "to-sort", "-o", "moved.csv", codes=failed)
    hangtag("sort", "moved.csv", "--into", "moved", "--move")
    hangtag("sort", "sorted.csv", "--into", "copied", "--copy")


def killed(*arguments: str) -> None:
    print("killed: hangtag", *arguments, flush=True)
    subprocess.run([sys.executable, __file__, "--killed", *arguments], cwd=ROOT)
    assert not Path("half.csv").exists()
    assert Path("half.csv.hangtag").exists()


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


def retried() -> None:
    shutil.copytree("garments", "mended")
    hangtag("classify", "mended", "-o", "retried.csv", codes=(3,))
    shutil.copy("mended/Bag/1.bmp", "mended/broken.png")
    os.utime("mended/broken.png", (MODIFIED_S + 60, MODIFIED_S + 60))
    hangtag("classify", "mended", "-o", "retried.csv", "--retry-failed")


def corrected() -> None:
    from tests.support.processes.review_server import Review

    hangtag("classify", "garments", "-o", "corrected.csv", codes=(3,))
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


def versions() -> None:
    """One version of each recipe, a data check, requests that failed and that were cancelled."""
    for recipe in ("tutorial", "fast", "accurate"):
        hangtag(
            "train",
            "train",
            "--name",
            recipe,
            "--recipe",
            recipe,
            "--epochs",
            "1",
            "--request-id",
            f"of-{recipe}",
        )
    hangtag("train", "train", "--name", "head", "--recipe", "photo-head", "--request-id", "of-head")
    hangtag("dataset", "check", "train", "-o", "check.csv")
    for label in ("Bag", "Coat"):
        (ROOT / "rubbish" / label).mkdir(parents=True)
        for number in range(20):
            (ROOT / "rubbish" / label / f"{number}.png").write_bytes(b"no image")
    hangtag("train", "rubbish", "--name", "none", "--request-id", "failed", codes=(1, 2))
    hangtag("train", "train", "--name", "none", "--request-id", "cancelled", "--detach")
    hangtag("train", "--cancel", "cancelled")
    hangtag("classify", "garments", "-o", "by-tutorial.csv", "--model", "tutorial", codes=(3,))
    hangtag("models", "promote", "head@1", "--alias", "tried")


def pack(out: Path) -> None:
    with tarfile.open(out, "w:xz", preset=9) as archive:
        archive.add(ROOT, ROOT.name, filter=neutral)
    print(out, out.stat().st_size)


def neutral(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if any(fnmatch(info.name, pattern) for pattern in (*LEFT_OUT, INDEX_OF_LOG)):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    main()
