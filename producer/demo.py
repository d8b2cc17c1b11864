"""`make demo`: the main job on real pictures, and how right its table is."""

from __future__ import annotations

import csv
import subprocess
import sys
from itertools import islice
from pathlib import Path

import msgspec

from producer.jobs.classify import Summary

FOLDER = Path("demo")
PICTURES = FOLDER / "images"
TABLE = FOLDER / "results.csv"
ROWS_SHOWN = 5


def main() -> int:
    """Make the pictures, classify them, show what came of it."""
    subprocess.run([sys.executable, "-m", "worker.demo.images", str(PICTURES)], check=True)
    command = ["hangtag", "classify", str(PICTURES), "-o", str(TABLE), "--restart"]
    print(f"\n$ {' '.join(command)}", flush=True)
    summary = _run(command)
    if summary is None:
        return 1
    print(f"\n$ head -{ROWS_SHOWN + 1} {TABLE}")
    with TABLE.open() as lines:
        print("".join(islice(lines, ROWS_SHOWN + 1)), end="")
    right, rows = accuracy(TABLE)
    print(f"\n{rows:,} rows in {TABLE}, one for each picture in {PICTURES}/")
    print(f"right by the folders' names: {right / rows:.2%} ({right:,} of {rows:,})")
    print(f"{summary.done / summary.seconds:,.0f} images/s, the start of the stack included")
    return 0


def _run(command: list[str]) -> Summary | None:
    program = [sys.executable, "-m", "producer.cli", *command[1:], "--json"]
    done = subprocess.run(program, stdout=subprocess.PIPE, check=False)
    if not done.stdout:
        return None
    return msgspec.json.decode(done.stdout, type=Summary)


def accuracy(table: Path) -> tuple[int, int]:
    """How many rows carry the label that their folder is named after, and how many there are.

    A folder cannot be called `T-shirt/top`: its name has `_` there.
    """
    right = rows = 0
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows += 1
            right += row["label"].replace("/", "_") == Path(row["path"]).parent.name
    return right, rows


if __name__ == "__main__":
    sys.exit(main())
