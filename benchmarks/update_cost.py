"""What it costs to bring a table of many rows up to date: one new file, and none.

    python -m benchmarks.update_cost 1000000

The files are hard links to a few hundred, the answers are made up; the rest is the product. Prints
seconds and the memory of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from producer.inputs.job_options import JobOptions
from producer.jobs.job import Job
from producer.journal.records import Record
from shared.errors import Exit
from shared.messages.batch import encode_result
from shared.messages.files import STAMP, digests
from tests.support.jobs import finished_job
from tests.support.jobs.updated_job import update

PER_FOLDER, CONTENTS, PER_BATCH = 1_000, 300, 2_048


def make_files(folder: Path, count: int) -> None:
    """Hard links: a file system allows some ten thousand for each file."""
    for start in range(0, count, PER_FOLDER):
        place = folder / f"{start // PER_FOLDER:06}"
        place.mkdir()
        for n in range(start, min(count, start + PER_FOLDER)):
            first = folder.parent / f"{n % CONTENTS:03}-{start // 10_000_000}.png"
            if not first.exists():
                first.write_bytes(b"image %d" % (n % CONTENTS))
                os.utime(first, (0, 0))
            os.link(first, place / f"{n:08}.png")


def made_records(folder: Path) -> Iterator[Record]:
    """The rows of a finished job of these files."""
    paths = [f"in/{p.parent.name}/{p.name}" for p in folder.glob("*/*.png")]
    paths.sort()
    for n, start in enumerate(range(0, len(paths), PER_BATCH)):
        names = paths[start : start + PER_BATCH]
        contents = [b"image %d" % (int(Path(name).stem) % CONTENTS) for name in names]
        result = finished_job.answered(list(contents))
        yield Record(
            n, 0, len(names), "\0".join(names).encode(),
            b"".join(STAMP.pack(len(content), 0) for content in contents), digests(contents),
            None, result.failed, None, 0, encode_result(result),
        )  # fmt: skip


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = f"{name}/state"
        options = finished_job.options_of(folder, b"in")
        _apart(lambda: _make(options, folder, count))
        _timed("nothing has changed", options)
        (folder / "in" / "000000" / "new.png").write_bytes(b"new")
        os.utime(folder / "in" / "000000" / "new.png", (0, 0))
        _timed("one new file, near the start", options)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"memory of the process: {most} MB")


def _apart(work: Callable[[], None]) -> None:
    """Run it in a process of its own, whose memory does not count."""
    pid = os.fork()
    if not pid:
        work()
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)


def _make(options: JobOptions, folder: Path, count: int) -> None:
    (folder / "in").mkdir()
    make_files(folder / "in", count)
    _finish(options, folder)


def _finish(options: JobOptions, folder: Path) -> None:
    with closing(Job(options)) as job:
        finished_job.start(job, options)
        kept = {key: job.journal.get(key) or b"" for key in ("record", "card", "options")}
        job.journal.adopt(made_records(folder / "in"), lambda: kept)
    with closing(Job(options)) as job:
        begun = time.monotonic()
        job.finish(Exit.OK, job.table.write_table())
        print(f"writing the table alone: {time.monotonic() - begun:.2f} s")


def _timed(what: str, options: JobOptions) -> None:
    begun, used = time.monotonic(), time.process_time()
    update(options)
    print(f"{what}: {time.monotonic() - begun:.2f} s, {time.process_time() - used:.2f} s of a core")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    main(parser.parse_args().rows)
