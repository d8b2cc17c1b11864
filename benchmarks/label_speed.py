"""`make bench-label-speed`: how long the page of `hangtag label` takes behind each decision, and
the memory of its processes, with 5,000 and 50,000 photos.

Server, labelling process and requests are real. Features are drawn, since only their number counts
here, and the files are of a few bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.environment import machine
from shared.messages.replies import FolderFeatures
from shared.process import resident_bytes
from tests.support.pages.planted_folder import PlantedFolder
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer, server_binaries

PHOTOS = (5_000, 50_000)
KINDS, WIDTH, SPREAD = 20, 256, 1.6
DECISIONS = 1_000


class Times(NamedTuple):
    """Seconds behind decisions, one of each for every page."""

    page: list[float]  #: until the next page, which may be chosen by the head before
    fitted: list[float]  #: until the page by the head that has learned from it


def main() -> int:
    """Print a line for each number of photos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, nargs="*", default=PHOTOS)
    for count in parser.parse_args().photos:
        with running(count) as (label, kinds):
            before = processor_s(label)
            times = decided(label, kinds)
            spent = (processor_s(label) - before) / sum(map(len, times))
            label.json("GET", label.of("/items?kind=label&label=kind+0"))
            memory = process_bytes(label)
        parts = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in memory.items())
        print(
            f"{count:,} photos, {DECISIONS} named, {KINDS} labels: next page {_ms(times.page)}; "
            f"head fitted again {_ms(times.fitted)}; {1000 * spent:.0f} ms of a core a page; "
            f"memory: {parts}, together {sum(memory.values()) / 1e6:,.0f} MB"
        )
    print(f"({machine.place()})")
    return 0


def _ms(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    median, most = ordered[len(ordered) // 2], ordered[-1]
    return f"{1000 * median:.0f} ms, at most {1000 * most:.0f}"


@contextmanager
def running(photos: int) -> Iterator[tuple[Label, dict[str, str]]]:
    """The page of a folder of drawn photos, and the kind of each file."""
    with (
        tempfile.TemporaryDirectory(prefix="hangtag-") as name,
        RedisServer(server_binaries()[0]) as server,
        Fleet(server) as fleet,
    ):
        hand = Hand(server)
        hand.live()
        folder = drawn(Path(name) / "photos", photos)
        label = Label(fleet, hand, folder)
        yield label, folder.colours
        label.end()


def drawn(root: Path, photos: int) -> PlantedFolder:
    """Files of a few bytes, and rows of some kinds that overlap."""
    chance = np.random.default_rng(0)
    kinds = chance.integers(0, KINDS, photos)
    centres = chance.standard_normal((KINDS, WIDTH)) * np.linspace(1, 0.05, WIDTH)
    rows = centres[kinds] + chance.standard_normal((photos, WIDTH)) * np.linspace(
        SPREAD, 0.1, WIDTH
    )
    root.mkdir()
    names = [f"{number:06}.jpg" for number in range(photos)]
    for name in names:
        (root / name).write_bytes(name.encode())
    features = FolderFeatures(
        root=bytes(root),
        paths=[bytes(root / name) for name in names],
        digests=b"".join(hashlib.sha256(name.encode()).digest() for name in names),
        width=WIDTH,
        rows=rows.astype("<f2").tobytes(),
        stacks=np.arange(photos, dtype="<u4").tobytes(),
        unreadable=[],
        statuses=b"",
    )
    return PlantedFolder(root, dict(zip(names, map(str, kinds.tolist()), strict=True)), features)


def decided(label: Label, kinds: dict[str, str]) -> Times:
    """Name page after page right; every other reply waits for the head."""
    times, page, named = Times([], []), label.next(), 0
    while named < DECISIONS:
        given = [_right(one, kinds) for one in page["items"]]
        settled = len(times.page) > len(times.fitted)
        before = time.perf_counter()
        page = label.decide(*given, settled=settled)["page"]
        (times.fitted if settled else times.page).append(time.perf_counter() - before)
        named += len(given)
        label.decide()  # waits: the head knows every decision before the next one
    return times


def _right(stack: Any, kinds: dict[str, str]) -> dict[str, Any]:
    name = f"kind {kinds[Path(stack['path']).name]}"
    return {"item": stack["item"], "kind": "label", "label": name}


def processor_s(label: Label) -> float:
    """The processor time of the server and its processes so far."""
    pids = [label.process.pid, *procfs.children(label.process.pid)]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(ticks) for one in fields for ticks in one[11:13]) / os.sysconf("SC_CLK_TCK")


def process_bytes(label: Label) -> dict[str, int]:
    """The resident memory of the server and its processes."""
    pids = {label.process.pid: "server"}
    for child in procfs.children(label.process.pid):
        command = Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        pids[child] = command[-1].decode()
    return {name: resident_bytes(pid) for pid, name in pids.items()}


if __name__ == "__main__":
    sys.exit(main())
