"""The reference: the same walk, reader, decoder and runtime in a loop, without a queue.

It has as many processes as workers, each with a slice of the files. Each writes its part of the
table, and the parts are joined. A crash loses everything; the queue prevents that.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkContext, ForkProcess
from pathlib import Path
from typing import IO, Any

from producer.job.job_options import KEPT_LABELS, JobOptions
from producer.sources.job_sources import JobSources, Walk
from shared.image_status import Status
from shared.messages.batch import BatchResult
from shared.messages.model_card import Card, decode_card
from shared.settings import Settings

#: As in a message of Hangtag.
BATCH_IMAGES, BATCH_BYTES = Settings().batch_images, Settings().batch_bytes
JOIN_BYTES = 1 << 20
#: Labels and flags of a message's files.
Answer = Callable[[Sequence[bytes | Status]], BatchResult]


def main() -> None:
    """Print a report: images, seconds of work."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.contenders.bare_loop", description=__doc__
    )
    parser.add_argument("folder", type=os.fsencode)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of a version")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    loop = Loop(given.folder, given.output, given.model, given.workers)
    print(json.dumps(loop.run()))


class Loop:
    """One pass over a folder."""

    def __init__(self, folder: bytes, output: Path, model: Path, workers: int) -> None:
        self._folder, self._output, self._model = folder, output, model
        self._workers = workers
        self._card = decode_card((model / "card.json").read_bytes())

    def run(self) -> dict[str, float]:
        """Classify; the time of the work starts when every process has loaded the model."""
        # Only the standard library is loaded here, so that a fork is cheap and safe.
        context = multiprocessing.get_context("fork")
        ready, counts = context.Barrier(self._workers + 1), context.SimpleQueue()
        processes = [self._start(context, i, ready, counts) for i in range(self._workers)]
        ready.wait()
        start = time.monotonic()
        images = sum(counts.get() for _ in processes)
        for process in processes:
            process.join()
        self._join()
        return {"images": images, "work_s": time.monotonic() - start}

    def _start(self, context: ForkContext, part: int, ready: Any, counts: Any) -> ForkProcess:
        process = context.Process(target=self._work, args=(part, ready, counts), daemon=True)
        process.start()
        return process

    def _work(self, part: int, ready: Any, counts: Any) -> None:
        answer = load(self._model, self._card)
        classify((), self._card, answer, io.StringIO())  # imports, which belong to the start
        ready.wait()
        with self._part(part).open("w", encoding="utf-8", newline="") as file:
            paths = slice_of(walk(self._folder), part, self._workers)
            classify(paths, self._card, answer, file, header=part == 0)
        counts.put(len(paths))

    def _join(self) -> None:
        with self._output.open("wb") as table:
            for part in map(self._part, range(self._workers)):
                with part.open("rb") as rows:
                    shutil.copyfileobj(rows, table, JOIN_BYTES)
                part.unlink()

    def _part(self, number: int) -> Path:
        return self._output.with_name(f"{self._output.name}.{number}")


def load(folder: Path, card: Card) -> Answer:
    """The version in this folder, with its detector."""
    from worker.classify import outliers
    from worker.classify.classify_batch import classified
    from worker.classify.process_state import LoadedModel
    from worker.runtimes import load_runtime

    model = load_runtime.fetch(card, lambda name: (folder / name).read_bytes()).load()
    detector = None
    if outliers.FILE in card.files:
        data = (folder / outliers.FILE).read_bytes()
        detector = outliers.decode(data, card.features)

    loaded = LoadedModel(card, model, detector)
    return lambda files: classified(loaded, files, KEPT_LABELS)


def walk(folder: bytes) -> list[bytes]:
    """Every image's path, in the order of the table."""
    options = JobOptions(roots=(folder,), cwd=os.getcwdb(), output="")
    return [path for _, path in Walk(JobSources(options)).paths()]


def slice_of(paths: Sequence[bytes], part: int, parts: int) -> Sequence[bytes]:
    """One of `parts` consecutive slices of nearly the same length."""
    return paths[part * len(paths) // parts : (part + 1) * len(paths) // parts]


def classify(
    paths: Sequence[bytes],
    card: Card,
    answer: Answer,
    file: IO[str],
    header: bool = True,
) -> None:
    """Write the rows of `paths`."""
    from tests.support.jobs.frozen_table import FrozenTable

    table = FrozenTable(card)
    if header:
        file.write(table.header)
    for names, files in messages(paths):
        file.writelines(table.rows(names, answer(files)))


def messages(paths: Sequence[bytes]) -> Iterator[tuple[list[bytes], list[bytes | Status]]]:
    """Paths and files in as many parts as Hangtag sends messages, without its last small ones."""
    from producer.sources.reader import FileReader

    read = FileReader(os.getcwdb()).read
    names, files, size = list[bytes](), list[bytes | Status](), 0
    for path in paths:
        file, (length, _) = read(path)
        if names and (len(names) >= BATCH_IMAGES or size + length > BATCH_BYTES):
            yield names, files
            names, files, size = [], [], 0
        names.append(path)
        files.append(file)
        size += length
    if names:
        yield names, files


if __name__ == "__main__":
    main()
