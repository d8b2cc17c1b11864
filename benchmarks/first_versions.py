"""`make bench-label-versions PHOTOS=DIR`: what a version accepts that learned from first labels.

Simulated persons label the photos of `make bench-label`; then `hangtag train --labels` and
`hangtag classify --accept 95%` run as README has them. Printed of the photos that no person
has named: how many are right, how many are accepted and right, and what the card states of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import hangtag
from benchmarks.environment import machine
from benchmarks.first_labels import read, write_unsorted
from benchmarks.measure import local_stack
from benchmarks.measure.photo_loop import Prompt
from benchmarks.measure.simulated_person import PERSONS, Photos, SessionPages, answered
from shared.labels.label_line import LabelLine
from shared.labels.labels_file import LabelsFile
from shared.messages.model_card import RightOfOthers
from shared.messages.replies import SHA256_BYTES

DECISIONS, DRAWS, ACCEPT = 300, 3, "95%"


class Found(NamedTuple):
    """Of the photos that no person has named."""

    others: int
    right: int
    accepted: int
    right_among_accepted: int
    stated: RightOfOthers | None


def main() -> int:
    """Print a line for each person and draw, and one for all draws of a person."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--person", choices=PERSONS, action="append", help="default: each")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--store", type=Path, help="keeps the photos' features")
    given = parser.parse_args()
    with (
        local_stack.own() as (_, env),
        tempfile.TemporaryDirectory(prefix="hangtag-") as name,
    ):
        env["HANGTAG_STORE"] = str(given.store or f"{name}/store")
        os.environ.update(env)
        folder = Path(name) / "labelled"
        truths = write_unsorted(given.photos, folder / "photos")
        photos = read(folder / "photos", truths)
        prompt = Prompt(folder, env)
        for person in given.person or PERSONS:
            draws = range(1, given.draws + 1)
            found = [_draw(prompt, photos, truths, person, draw) for draw in draws]
            accepted = sum(one.accepted for one in found)
            right = sum(one.right_among_accepted for one in found)
            share = f"{right / accepted:.1%}" if accepted else "-"
            print(f"{person}: {accepted:,} accepted in all, of these right {share}", flush=True)
    print(f"({machine.place()})")
    return 0


def _draw(
    prompt: Prompt, photos: Photos, truths: Mapping[str, str], person: str, draw: int
) -> Found:
    pages = SessionPages(photos, draw)
    for decisions in answered(pages, photos, person, draw):
        if decisions >= DECISIONS:
            break
    name = f"{person}-{draw}"
    names = sorted(set(truths.values()))
    with closing(LabelsFile(prompt.folder / f"{name}.jsonl")) as file:
        file.append(list(_lines(photos, pages, names)))
    prompt.run("train", "photos", f"--labels={name}.jsonl", "--name", name)
    table = f"{name}.csv"
    prompt.run("classify", "photos", "--model", name, "-o", table, "--accept", ACCEPT)
    card = prompt.json("models", "show", name)["card"]
    found = _found(prompt.folder / table, truths, card.get("right_of_others"))
    print(f"{name}: {found}", flush=True)
    return found


def _lines(photos: Photos, pages: SessionPages, names: list[str]) -> Iterator[LabelLine]:
    features, stacks = photos.features, photos.stacks.tolist()
    for image, path in enumerate(features.paths):
        data = Path(os.fsdecode(path)).read_bytes()
        sha256 = features.digests[SHA256_BYTES * image : SHA256_BYTES * (image + 1)].hex()
        for answer in pages.answers_of(stacks[image]):
            yield LabelLine(
                sha256=sha256,
                size=len(data),
                crc32=f"{zlib.crc32(data):08x}",
                path=os.fsdecode(path),
                kind=answer.kind,  # type: ignore[arg-type]
                label=names[answer.label],
                by_chance=pages.was_drawn(stacks[image]),
                by="a person",
                at="2026-12-01T00:00:00.000+00:00",
            )


def _found(table: Path, truths: Mapping[str, str], stated: Mapping[str, float] | None) -> Found:
    with hangtag.open_table(str(table)) as rows:
        others = [(row, truths[Path(row.name).name]) for row in rows if not row.person]
    accepted = [(row, truth) for row, truth in others if row.accepted]
    return Found(
        len(others),
        sum(row.guess == truth for row, truth in others),
        len(accepted),
        sum(row.label == truth for row, truth in accepted),
        None if stated is None else RightOfOthers(**stated),  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    sys.exit(main())
