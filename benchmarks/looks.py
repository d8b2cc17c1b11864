"""`python -m benchmarks.looks`: the cost of the commands that read a finished job: report, table,
compare; on 10,000 and on 1,000,000 rows.

The journals are planted, with made-up results; the files are those of the demo, under many names.
"""

from __future__ import annotations

import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment import machine
from benchmarks.measure import peak_memory
from benchmarks.measure.command import wait
from benchmarks.report.tables import markdown
from producer.job.job_options import JobOptions, encode_options
from producer.job.records import FrozenBatch, StoredResult
from producer.run.job import Job
from shared.errors import Exit
from shared.image_status import Status
from shared.labels.class_folders import folder_of
from shared.messages.batch import BatchResult, JobRecord, encode_job, encode_result
from shared.messages.files import digest, stamp
from shared.messages.model_card import Card, card_sha256, encode_card
from shared.registry import packaged

ROWS = (10_000, 1_000_000)
#: Distinct images. Larger tables name each of them through many links to their folder.
FILES = 10_000
BATCH_IMAGES = 2048
TOP_K = 3
#: Shares of rows whose label is not their folder's, and of rows that fail.
CONFUSED, FAILED = 0.05, 0.001
LIMIT_S = 1800.0


class Cost(NamedTuple):
    command: str
    rows: int
    whole_s: float
    cpu_s: float  #: of its processes, too
    memory_mb: float  #: of the largest of its processes
    written_mb: float


class File(NamedTuple):
    name: bytes  #: below the folder of all images
    label: int
    stamp: tuple[int, int]
    digest: bytes


def main() -> None:
    """Plant both sizes and measure every command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hangtag-looks-") as name:
        folder = Path(name)
        files = draw(folder / "images", packaged.card())
        costs = [cost for rows in arguments.rows for cost in measured(folder, files, rows)]
    print(machine.place(), machine.busy(), sep="\n")
    print(table(costs))


def draw(folder: Path, card: Card) -> list[File]:
    """The images of the demo in class folders, in path order."""
    subprocess.run([sys.executable, "-m", "worker.datasets.demo", str(folder)], check=True)
    folders, found = [folder_of(label) for label in card.labels], []
    for path in sorted(folder.rglob("*.png"), key=os.fsencode)[:FILES]:
        label = folders.index(path.parent.name)
        content = path.read_bytes()
        found.append(
            File(os.fsencode(path.relative_to(folder)), label, stamp(path.stat()), digest(content))
        )
    return found


def measured(folder: Path, files: Sequence[File], rows: int) -> list[Cost]:
    """The cost of every command on tables of this size."""
    one, other = (folder / f"{name}-{rows}.csv" for name in ("one", "other"))
    for seed, output in enumerate((one, other)):
        plant(folder, output, files, rows, seed)
    page, copy, comparison = (folder / name for name in ("page.html", "copy.csv", "compare.html"))
    commands = {
        "report": (["report", str(one), "-o", str(page)], page),
        "table": (["table", str(one), "--accept", "95%", "-o", str(copy), "--force"], copy),
        "compare": (["compare", str(one), str(other), "-o", str(comparison)], comparison),
    }
    return [measure(name, rows, *command) for name, command in commands.items()]


def measure(name: str, rows: int, command: list[str], written: Path) -> Cost:
    """Run one command of hangtag."""
    peak = written.with_suffix(".peak")
    started = time.monotonic()
    process = subprocess.Popen(
        peak_memory.command(peak, "producer.cli", *command), stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    status, usage = wait(process, LIMIT_S)
    if status:
        raise SystemExit(f"hangtag {' '.join(command)} ended with {status}")
    return Cost(
        name,
        rows,
        time.monotonic() - started,
        usage.ru_utime + usage.ru_stime,
        int(peak.read_text()) / 1e6,
        written.stat().st_size / 1e6,
    )


def plant(folder: Path, output: Path, files: Sequence[File], rows: int, seed: int) -> None:
    """A finished job of this many rows."""
    roots = []
    for number in range(-(-rows // len(files))):
        root = folder / f"in/{number:04}"
        root.parent.mkdir(exist_ok=True)
        if not root.exists():
            root.symlink_to(folder / "images")
        roots.append(os.fsencode(root.relative_to(folder)))
    options = JobOptions((b"in",), os.fsencode(folder), str(output), top_k=TOP_K)
    card = packaged.card()
    record = JobRecord(
        "testjb02", card.name, card.version, card_sha256(card), "litert", TOP_K, output.name,
        "host", time.time(),
    )  # fmt: skip
    chance = random.Random(seed)
    every = ((root + b"/" + file.name, file) for root in roots for file in files)
    with closing(Job(options)) as job:
        job.journal.put(
            record=encode_job(record), card=encode_card(card), options=encode_options(options)
        )
        for n in range(-(-rows // BATCH_IMAGES)):
            count = min(BATCH_IMAGES, rows - n * BATCH_IMAGES)
            some = [next(every) for _ in range(count)]
            frozen = FrozenBatch(
                n, 0, [name for name, _ in some], [file.stamp for _, file in some],
                b"".join(file.digest for _, file in some),
            )  # fmt: skip
            result = made_up(chance, [file.label for _, file in some])
            failed = count - result.statuses.count(Status.OK.code)
            job.journal.commit([frozen], [StoredResult(n, encode_result(result), failed)])
        job.finish(Exit.SOME_FAILED, job.table.write_table())


def made_up(chance: random.Random, labels: Sequence[int]) -> BatchResult:
    """Mostly the label of the folder, with a high confidence."""
    failed = [chance.random() < FAILED for _ in labels]
    indices, values = [], []
    for label, bad in zip(labels, failed, strict=True):
        wrong = chance.random() < CONFUSED
        first = (label + wrong * chance.randrange(1, 10)) % 10
        confidence = 1 - chance.random() ** (2 if wrong else 8) * 0.7
        indices += [0, 0, 0] if bad else [first, (first + 1) % 10, (first + 2) % 10]
        values += [0.0] * 3 if bad else [confidence, (1 - confidence) * 0.6, (1 - confidence) * 0.2]
    return BatchResult(
        TOP_K,
        bytes(Status.UNREADABLE.code if bad else 0 for bad in failed),
        struct.pack(f"<{len(indices)}H", *indices),
        struct.pack(f"<{len(values)}f", *values),
    )


def table(costs: Sequence[Cost]) -> str:
    """The costs as a table in Markdown."""
    head = ["command", "rows", "seconds", "processor seconds", "memory", "written"]
    return markdown(
        head,
        [
            [
                cost.command, f"{cost.rows:,}", f"{cost.whole_s:.1f}", f"{cost.cpu_s:.1f}",
                f"{cost.memory_mb:.0f} MB", f"{cost.written_mb:.1f} MB",
            ]
            for cost in costs
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
