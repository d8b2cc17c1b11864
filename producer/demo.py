"""`make demo`: classifies real images, and reports the accuracy of the table."""

from __future__ import annotations

import csv
import subprocess
import sys
from itertools import islice
from pathlib import Path

import msgspec

from producer.jobs.classify import Summary
from shared.class_folders import folder_of

FOLDER = Path("demo")
IMAGES = FOLDER / "images"
TABLE = FOLDER / "results.csv"
ROWS_SHOWN = 5


def main() -> int:
    """Make the images, classify them, print the results."""
    subprocess.run([sys.executable, "-m", "worker.demo.images", str(IMAGES)], check=True)
    command = ["hangtag", "classify", str(IMAGES), "-o", str(TABLE), "--restart"]
    print(f"\n$ {' '.join(command)}", flush=True)
    summary = _run(command)
    if summary is None:
        return 1
    print(f"\n$ head -{ROWS_SHOWN + 1} {TABLE}")
    with TABLE.open() as lines:
        print("".join(islice(lines, ROWS_SHOWN + 1)), end="")
    right, rows = accuracy(TABLE)
    print(f"\n{rows:,} rows in {TABLE}, one for each image in {IMAGES}/")
    print(f"accuracy against the folder names: {right / rows:.2%} ({right:,} of {rows:,})")
    print(f"{summary.done / summary.seconds:,.0f} images/s, including the start of the stack")
    return 0


def _run(command: list[str]) -> Summary | None:
    program = [sys.executable, "-m", "producer.cli", *command[1:], "--json"]
    done = subprocess.run(program, stdout=subprocess.PIPE, check=False)
    if not done.stdout:
        return None
    return msgspec.json.decode(done.stdout, type=Summary)


def accuracy(table: Path) -> tuple[int, int]:
    """The number of rows whose label is their folder's name, and the number of all rows."""
    right = rows = 0
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows += 1
            right += folder_of(row["label"]) == Path(row["path"]).parent.name
    return right, rows


if __name__ == "__main__":
    sys.exit(main())
