"""`make bench-corrections PHOTOS=DIR`: what corrections of people do for a model of photos.

DIR has train/ and test/ with a folder for each class. A model learns from few photos of each class
and classifies others; the most doubtful of them, or as many drawn by chance, get their true labels
on the review page; a model learns from these, too. Then wrong labels are planted in class folders,
searched for by `hangtag dataset check`, and corrected. All of it goes through the commands and the
page, all accuracies are those of `hangtag models evaluate` on test/, from which nothing is learned
or corrected. The blocks of RESULTS.md are written after a complete run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from benchmarks.environment import machine
from benchmarks.measure import local_stack
from benchmarks.measure.photo_loop import Prompt
from benchmarks.report.blocks import wrapped
from benchmarks.report.page_blocks import write_blocks
from benchmarks.workloads import labelled_photos
from benchmarks.workloads.labelled_photos import Pool
from producer.machine.machine_resources import cores

LOOP, PLANTED = "loop", "planted"
DRAWS = {LOOP: 5, PLANTED: 1}
LABELLED, UNLABELLED = 20, 2_000
#: More than LABELLED, so that every class has photos to classify.
LEAST = 25
CLEAN = 2_000
CORRECTED, WRONG = 100, 100
#: Of the list of likely wrong labels, as a share of the photos: what a person looks through.
LOOKED_THROUGH = 0.1
Row = dict[str, Any]


class Loop(NamedTuple):
    """One draw: accuracies before, and after corrections that were chosen in two ways."""

    before: float
    doubtful: float
    random: float
    doubtful_wrong: int  #: of the corrected rows
    random_wrong: int


class Planted(NamedTuple):
    """One draw of wrong labels."""

    first: int  #: planted ones in the first tenth of the list
    corrected: int  #: planted ones that a person corrected, looking at as many rows of the page
    before: float
    after: float
    clean: float  #: without a wrong label


def main() -> int:
    """Print the blocks, and write them into the page after a complete run."""
    given = _parser().parse_args()
    pool = labelled_photos.read(given.photos, LEAST)
    with (
        local_stack.own() as (_, env),
        tempfile.TemporaryDirectory(prefix="hangtag-") as name,
    ):
        env["HANGTAG_STORE"] = str(given.store or f"{name}/store")
        prompt, test = Prompt(Path(name), env), Path(name) / "test"
        tested = labelled_photos.write_test(pool, test)
        local_stack.up(env, given.workers)
        blocks: dict[str, str] = {}
        for part in given.only:
            found = _draws(given.draws or DRAWS[part], partial(_PARTS[part], pool, prompt, test))
            blocks[part] = _BLOCKS[part](found)
    about = (
        f"({datetime.now(UTC).date().isoformat()}, {machine.place()}; {len(pool.learn)} classes, "
        f"{tested:,} test photos. {machine.busy()}".strip()
        + ")"
    )
    for part in given.only:
        blocks[part] += f"\n\n{about}"
        print(blocks[part])
    if not given.draws:
        write_blocks("corrections", blocks)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--only", nargs="+", choices=tuple(DRAWS), default=tuple(DRAWS))
    parser.add_argument("--draws", type=int, help="of each part; the page is not written")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--store", type=Path, help="keeps the photos' features; without versions")
    return parser


def _draws(count: int, draw: Callable[[int], Any]) -> list[Any]:
    found = []
    for seed in range(1, count + 1):
        found.append(draw(seed))
        print(json.dumps(found[-1]._asdict()), file=sys.stderr, flush=True)
    return found


def loop(pool: Pool, prompt: Prompt, test: Path, seed: int) -> Loop:
    """Train, classify, correct, train again."""
    prompt.enter(f"loop-{seed}")
    truths = labelled_photos.few(pool, prompt.folder, LABELLED, UNLABELLED, seed)
    first = 3 * (seed - 1) + 1  # three versions in each draw
    prompt.train()
    before = prompt.accuracy(f"photos@{first}", test)
    prompt.run("classify", "inbox/", "--model", f"photos@{first}")

    def truth(path: str) -> str:
        return truths[Path(path).name]

    chance = random.Random(f"{seed} random")
    choices: list[tuple[str, Callable[[list[Row]], list[Row]]]] = [
        ("doubtful", lambda rows: rows[:CORRECTED]),
        ("all", lambda rows: chance.sample(rows, min(CORRECTED, len(rows)))),
    ]
    accuracies, wrong = [], []
    for number, (kind, choose) in enumerate(choices, first + 1):
        wrong.append(prompt.correct("inbox.csv", kind, choose, truth).wrong)
        prompt.train("--corrections", "inbox.csv")
        accuracies.append(prompt.accuracy(f"photos@{number}", test))
        prompt.forget_corrections("inbox.csv")
    return Loop(before, accuracies[0], accuracies[1], wrong[0], wrong[1])


def search(pool: Pool, prompt: Prompt, test: Path, seed: int) -> Planted:
    """Plant wrong labels, search for them, correct what is found, train."""
    prompt.enter(f"planted-{seed}")
    truths = labelled_photos.planted(pool, prompt.folder, CLEAN, WRONG, seed)
    name = f"planted-{seed}"
    found = prompt.json("dataset", "check", "photos/")
    looked = round(CLEAN * LOOKED_THROUGH)
    first = sum(one["path"] in truths for one in found["first_suspects"][:looked])

    def truth(path: str) -> str:
        below = str(Path(path).relative_to("photos"))
        return truths.get(below, Path(below).parts[0])

    seen: list[Row] = []

    def choose(rows: list[Row]) -> list[Row]:
        seen.extend(rows[:looked])
        return seen

    prompt.correct("photos-check.csv", "disagreeing", choose, truth)
    corrected = sum(str(Path(row["path"]).relative_to("photos")) in truths for row in seen)
    prompt.train("--name", name)
    prompt.train("--name", name, "--corrections", "photos-check.csv")
    for path, label in truths.items():
        (prompt.folder / "photos" / path).rename(
            prompt.folder / "photos" / label / f"moved-{Path(path).name}"
        )
    prompt.train("--name", name)
    accuracies = [prompt.accuracy(f"{name}@{version}", test) for version in (1, 2, 3)]
    return Planted(first, corrected, *accuracies)


def loop_block(found: Sequence[Loop]) -> str:
    """What the loop shows, in the mean of all draws."""
    before, doubtful, chance, *wrong = zip(*found, strict=True)
    wrongs = [f"{fmean(counts):.0f} of them wrong" for counts in wrong]
    better = sum(one.doubtful > one.random for one in found)
    return wrapped(
        f"Accuracy {_mean(before)}; with the {CORRECTED} most doubtful ({wrongs[0]}) "
        f"{_mean(doubtful)}; with {CORRECTED} by chance ({wrongs[1]}) {_mean(chance)}. The most "
        f"doubtful are better in {better} of {len(found)} draws."
    )


def planted_block(found: Sequence[Planted]) -> str:
    """What the planted labels show, in the mean of all draws."""
    first, corrected, *accuracies = zip(*found, strict=True)
    before, after, clean = map(_mean, accuracies)
    return wrapped(
        f"Of {WRONG} planted labels {fmean(first):.0f} were in the first {LOOKED_THROUGH:.0%} of "
        f"the list, and {fmean(corrected):.0f} were corrected. Accuracy {before}, then {after}; "
        f"without wrong labels {clean}."
    )


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.1f}{spread} %"


_PARTS: dict[str, Callable[..., Any]] = {LOOP: loop, PLANTED: search}
_BLOCKS: dict[str, Callable[..., str]] = {LOOP: loop_block, PLANTED: planted_block}


if __name__ == "__main__":
    sys.exit(main())
