"""`make label-walk PHOTOS=DIR`: the walk of docs/unsorted-photos.md, with its times and pictures,
and the pictures of README.

DIR has folders for each class, which only the simulated person knows. 2,000 photos are copied into
one folder with names that say nothing; the person names them in a real Chromium by keyboard, as
README teaches: the wrong ones are clicked away, and named when they come back. Then
the printed commands run, and a report on the table and one on the version are drawn.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.environment import machine
from benchmarks.measure import local_stack
from producer.people.folder_images import computed
from shared.labels import labels_file
from shared.messages.replies import SHA256_BYTES, decode_features
from shared.settings import Settings
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.screenshots import draw
from tests.support.processes.label_server import LINK
from worker.labelling.__main__ import session_of
from worker.labelling.session import NONE

PHOTOS, DECISIONS = 2_000, 200
#: Of pages of these kinds the first one after this number of decisions is drawn.
DRAWN = {"group": 0, "label": 100, "naming": 0}
#: The person overlooks a wrong picture on every page of this number.
OVERLOOKED = 8
#: Prefixes of the question above the pictures.
KINDS = {
    "These look alike": "group",
    "These look like": "label",
    "Drawn by chance": "chance",
}
COMMANDS = (
    ("train", "photos/", "--labels"),
    ("classify", "photos/", "--model", "photos", "-o", "photos.csv", "--accept", "95%"),
    ("sort", "photos.csv", "--into", "photos-sorted", "--copy"),
)
#: Each writes a page, of which a part is drawn.
REPORTS = (
    (("report", "photos.csv"), "photos.html", "#pictures", "report-photos.jpg"),
    (
        ("models", "report", "photos", "--corrections", "photos.csv", "-o", "version.html"),
        "version.html",
        "#pictures",
        "report-version.jpg",
    ),
)
SIZE = {"width": 1180, "height": 860}
#: The height of a page with one row of pictures.
ONE_ROW = 540


def main() -> int:
    """Walk through it, and print what the commands print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder for each class")
    parser.add_argument("--to", type=Path, default=Path("docs/images"), help="of the pictures")
    given = parser.parse_args()
    with (
        local_stack.own() as (_, env),
        tempfile.TemporaryDirectory(prefix="hangtag-") as name,
    ):
        env["HANGTAG_STORE"] = f"{name}/store"
        os.environ.update(env)
        truth, started = write(given.photos, Path(name) / "photos"), time.monotonic()
        heading = label(Path(name), env, truth, given.to)
        with chdir(name):
            report_others(Path("photos"), truth, heading)
        for command in COMMANDS:
            run(Path(name), env, command)
        print(f"{time.monotonic() - started:.0f} s in all ({machine.place()})")
        draw_reports(Path(name), env, given.to)
        report_right(Path(name) / "photos-sorted", truth)
    return 0


def write(photos: Path, to: Path) -> dict[str, str]:
    """Copy some photos to one folder; the class of each by its new name."""
    every = sorted(path for path in photos.rglob("*") if path.is_file())
    to.mkdir()
    truth = {}
    for number, path in enumerate(random.Random(0).sample(every, min(PHOTOS, len(every)))):
        name = f"IMG_{number:04}{path.suffix.lower()}"
        shutil.copyfile(path, to / name)
        truth[name] = path.parent.name
    return truth


def run(folder: Path, env: Mapping[str, str], words: tuple[str, ...]) -> None:
    """Run a command, and print it, what it prints, and its seconds."""
    print("$ hangtag", *words, flush=True)
    before = time.monotonic()
    command = [sys.executable, "-m", "producer.cli", *words]
    done = subprocess.run(command, cwd=folder, env=dict(env), stdout=subprocess.PIPE, text=True)
    print(done.stdout, f"({time.monotonic() - before:.0f} s)", sep="", flush=True)


def draw_reports(folder: Path, env: Mapping[str, str], pictures: Path) -> None:
    """Write the reports, and draw a part of each."""
    with browser_page() as page:
        for words, name, part, picture in REPORTS:
            run(folder, env, words)
            page.goto((folder / name).as_uri())
            page.locator(part).evaluate("node => node.scrollIntoView()")
            draw(page, pictures / picture)


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a real Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page(viewport=SIZE, reduced_motion="reduce")  # type: ignore[arg-type]
        browser.close()


def label(folder: Path, env: Mapping[str, str], truth: Mapping[str, str], pictures: Path) -> str:
    """Name photos on the page of `hangtag label photos/`; returns the last heading."""
    print("$ hangtag label photos/", flush=True)
    before = time.monotonic()
    command = [sys.executable, "-m", "producer.cli", "label", "photos/"]
    with subprocess.Popen(command, cwd=folder, env=dict(env), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = "".join(process.stdout.readline().decode() for _ in range(2))
        link = LINK.search(first)
        assert link is not None, first
        print(f"(the page is open after {time.monotonic() - before:.0f} s)", flush=True)
        with browser_page() as page:
            page.goto(link[0])
            heading = Person(page, truth, pictures).work()
        process.send_signal(signal.SIGINT)
        print(process.communicate()[0].decode(), flush=True)
    return heading


class Person:
    """Knows the truth, and does by keyboard what README teaches: names what most pictures of a page
    are, clicks the others away, and names each of these when it comes back."""

    def __init__(self, page: Page, truth: Mapping[str, str], pictures: Path) -> None:
        self._page, self._truth, self._pictures = page, truth, pictures
        self._drawn, self._pages = set[str](), 0
        self._overlooked_labels: list[str] = []  #: that overlooked pictures have got

    def work(self) -> str:
        """Name photos, then find what was overlooked among the pictures of one label; returns the
        heading before that."""
        decisions, mark, before = 0, 0, time.monotonic()
        while decisions < DECISIONS:
            self._page.wait_for_selector(".tile")
            decisions += self._decide(decisions)
            if decisions >= mark:
                mark += 50
                print(f"{decisions} decisions: {self._heading()}")
        print(f"({time.monotonic() - before:.0f} s by a script)", flush=True)
        heading = self._heading()
        self._check(Counter(self._overlooked_labels).most_common(1)[0][0])
        return heading

    def _heading(self) -> str:
        return self._page.locator("#totals").inner_text()

    def _check(self, label: str) -> None:
        """Show the pictures of a label together, and send the wrong ones of the first page back."""
        self._page.keyboard.press("+")
        self._page.locator("#of").select_option(label=label)
        self._page.keyboard.press("Enter")
        expect(self._page.locator("#question")).to_contain_text(f"{label}: 1 to")
        wrong = [i for i, name in enumerate(self._truths()) if name != label]
        self._click(wrong)
        print(
            f"{self._page.locator('#question').inner_text()}\n{len(wrong)} of the "
            f"{self._overlooked_labels.count(label)} overlooked ones are on this page"
        )
        self._page.locator("main").evaluate("node => node.scrollTo(0, 0)")
        self._draw("label-together.jpg")
        self._page.keyboard.press("Enter")
        expect(self._page.locator("#saved")).to_contain_text("saved" if wrong else "nothing")

    def _decide(self, decisions: int) -> int:
        """Answer a page; returns the number of decisions: one for a page, and one for each picture
        that is named alone."""
        kind, truth = self._kind(), self._truths()
        self._pages += 1
        if kind == "naming":
            return self._name_each(truth, decisions)
        if kind == "chance":
            self._click(i for i, guess in enumerate(self._guesses()) if guess != truth[i])
        else:
            most = Counter(truth).most_common(1)[0][0]
            wrong = [i for i, name in enumerate(truth) if name != most]
            if self._pages % OVERLOOKED == 0 and wrong:
                wrong.pop()
                self._overlooked_labels.append(most)
            self._give(most)
            self._click(wrong)
        self._picture_of(kind, decisions)
        before = self._heading()
        self._page.keyboard.press("Enter")
        expect(self._page.locator("#totals")).not_to_have_text(before)
        return 1

    def _name_each(self, truth: list[str], decisions: int) -> int:
        self._picture_of("naming", decisions)
        before = self._heading()
        for place, name in enumerate(truth):
            tile = self._page.locator(".tile").nth(place)
            tile.focus()
            guesses = tile.locator(".guesses button").evaluate_all("all => all.map(b => b.title)")
            if name in guesses:
                self._page.keyboard.press(str(guesses.index(name) + 1))
            else:
                self._type(name)
        expect(self._page.locator("#totals")).not_to_have_text(before)
        return len(truth)

    def _click(self, places: Iterable[int]) -> None:
        for place in places:
            self._page.locator(".tile").nth(place).click()

    def _picture_of(self, kind: str, decisions: int) -> None:
        """Draw the first page of each kind."""
        if decisions < DRAWN.get(kind, DECISIONS) or kind in self._drawn:
            return
        self._drawn.add(kind)
        self._page.set_viewport_size(SIZE | {"height": ONE_ROW})  # type: ignore[arg-type]
        self._draw(f"label-{kind}.jpg")
        self._page.set_viewport_size(SIZE)  # type: ignore[arg-type]

    def _truths(self) -> list[str]:
        titles = self._page.locator(".tile").evaluate_all("all => all.map(one => one.title)")
        return [self._truth[Path(title).name] for title in titles]

    def _guesses(self) -> list[str]:
        texts = self._page.locator(".tile b").all_inner_texts()
        return [text.strip() for text in texts]

    def _kind(self) -> str:
        if self._page.locator(".guesses").count():
            return "naming"
        question = self._page.locator("#question").inner_text()
        return next((kind for start, kind in KINDS.items() if question.startswith(start)), "")

    def _give(self, name: str) -> None:
        texts = self._page.locator("#labels button").all_inner_texts()
        digits = [text.split()[0] for text in texts if text.split()[1:] == [name]]
        if digits:
            self._page.keyboard.press(digits[0])
        else:
            self._type(name)

    def _type(self, name: str) -> None:
        self._page.locator("#name").focus()
        self._page.keyboard.type(name)
        self._page.keyboard.press("Shift+Enter")

    def _draw(self, name: str) -> None:
        self._page.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
        draw(self._page, self._pictures / name)


def report_others(folder: Path, truth: Mapping[str, str], heading: str) -> None:
    """Print what the heading states beside the truth about the pictures without a name."""
    features = decode_features(computed(Settings.from_env(), str(folder)).features)
    so_far = labels_file.read(labels_file.default_path(str(folder))).so_far
    stacks = np.frombuffer(features.stacks, "<u4").astype(np.int64)
    numbers: dict[str, int] = {}
    labels, by_chance = np.full(stacks.max() + 1, NONE), np.zeros(stacks.max() + 1, bool)
    for image, stack in enumerate(stacks):
        sha256 = features.digests[SHA256_BYTES * image : SHA256_BYTES * (image + 1)].hex()
        if (decided := so_far.of(sha256)) is not None and decided.label:
            labels[stack] = numbers.setdefault(decided.label, len(numbers))
    session = session_of(features, 0)
    session.decide(np.arange(len(labels)), labels, by_chance)
    session.learn()
    _, fitted = session.learned
    assert fitted is not None
    names = list(numbers)
    right = [
        names[fitted.guesses[stack]] == truth[Path(os.fsdecode(path)).name]
        for path, stack in zip(features.paths, stacks, strict=True)
        if labels[stack] == NONE
    ]
    print(f"{heading}\nin truth {np.mean(right):.1%} of the {len(right)} others are right")


def report_right(into: Path, truth: Mapping[str, str]) -> None:
    """Print how many files of each folder belong there."""
    for folder in sorted(into.iterdir()):
        if folder.is_dir():
            names = [path.name for path in folder.iterdir() if path.is_file()]
            right = sum(truth.get(name) == folder.name for name in names)
            print(f"{folder.name:12} {len(names):5} photos, {right:5} of this class")


if __name__ == "__main__":
    sys.exit(main())
