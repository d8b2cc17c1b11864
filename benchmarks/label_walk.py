"""`make label-walk PHOTOS=DIR`: the walk of docs/unsorted-photos.md, with its times and pictures,
and the pictures of README.

DIR has folders for each class, which only the simulated person knows. 2,000 photos are copied into
one folder with names that say nothing; the person names them in a real Chromium by keyboard; then
the printed commands run, and a report on the table and one on the version are drawn.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.environment import machine
from benchmarks.environment.paths import environment, runtime_folder
from benchmarks.measure import local_stack
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.screenshots import draw
from tests.support.processes.label_server import LINK

PHOTOS, DECISIONS = 2_000, 200
#: Of pages of these kinds the first one after this number of decisions is drawn.
DRAWN = {"group": 0, "label": 100}
#: The person overlooks a wrong picture on every page of this number.
OVERLOOKED = 8
#: Prefixes of the question above the pictures.
KINDS = {"These look alike": "group", "These look like": "label", "Drawn by chance": "chance"}
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
    with runtime_folder() as runtime, tempfile.TemporaryDirectory(prefix="hangtag-") as name:
        env = environment(runtime) | {"HANGTAG_STORE": f"{name}/store"}
        truth, started = write(given.photos, Path(name) / "photos"), time.monotonic()
        try:
            label(Path(name), env, truth, given.to)
            for command in COMMANDS:
                run(Path(name), env, command)
            print(f"{time.monotonic() - started:.0f} s in all ({machine.place()})")
            draw_reports(Path(name), env, given.to)
        finally:
            local_stack.end(env, str(runtime))
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


def label(folder: Path, env: Mapping[str, str], truth: Mapping[str, str], pictures: Path) -> None:
    """Name photos on the page of `hangtag label photos/`."""
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
            Person(page, truth, pictures).work(before)
        process.send_signal(signal.SIGINT)
        print(process.communicate()[0].decode(), flush=True)


class Person:
    """Knows the truth, and uses the keyboard."""

    def __init__(self, page: Page, truth: Mapping[str, str], pictures: Path) -> None:
        self._page, self._truth, self._pictures = page, truth, pictures
        self._drawn, self._pages = set[str](), 0
        self._overlooked_labels: list[str] = []  #: that overlooked pictures have got

    def work(self, started: float) -> None:
        """Name photos, then find what was overlooked among the pictures of one label."""
        decisions, mark, before = 0, 0, time.monotonic()
        while decisions < DECISIONS:
            self._page.wait_for_selector(".tile")
            decisions += self._decide(decisions)
            if decisions >= mark:
                mark += 50
                print(f"{decisions} decisions: {self._page.locator('#totals').inner_text()}")
        print(f"({time.monotonic() - before:.0f} s by a script)", flush=True)
        self._check(Counter(self._overlooked_labels).most_common(1)[0][0])

    def _check(self, label: str) -> None:
        """Show the pictures of a label together, and send the wrong ones of the first page back."""
        self._page.keyboard.press("+")
        self._page.locator("#of").select_option(label=label)
        self._page.keyboard.press("Enter")
        expect(self._page.locator("#question")).to_contain_text(f"{label}: 1 to")
        wrong = [i for i, name in enumerate(self._truths()) if name != label]
        for place in wrong:
            self._page.locator(".tile").nth(place).click()
        print(
            f"{self._page.locator('#question').inner_text()}\n{len(wrong)} of the "
            f"{self._overlooked_labels.count(label)} overlooked ones are on this page"
        )
        self._page.locator("main").evaluate("node => node.scrollTo(0, 0)")
        self._draw("label-together.jpg")
        self._page.keyboard.press("Enter")
        expect(self._page.locator("#saved")).to_contain_text("saved" if wrong else "nothing")

    def _decide(self, decisions: int) -> int:
        """Say the truth about a page; returns the number of decisions."""
        kind, truth = self._kind(), self._truths()
        most = Counter(truth).most_common(1)[0][0]
        wrong = [i for i, name in enumerate(truth) if name != most]
        self._pages += 1
        if self._pages % OVERLOOKED == 0 and wrong:
            wrong.pop()
            self._overlooked_labels.append(most)
        if wrong:
            self._give(most)
        for place in wrong:
            self._page.locator(".tile").nth(place).click()
            self._give(truth[place])
        if decisions >= DRAWN.get(kind, DECISIONS) and kind not in self._drawn:
            self._drawn.add(kind)
            self._page.set_viewport_size(SIZE | {"height": ONE_ROW})  # type: ignore[arg-type]
            self._draw(f"label-{kind}.jpg")
            self._page.set_viewport_size(SIZE)  # type: ignore[arg-type]
        self._give(most)
        before = self._page.locator("#totals").inner_text()
        self._page.keyboard.press("Enter")
        expect(self._page.locator("#totals")).not_to_have_text(before)
        return len(truth) if kind == "chance" else 1 + len(wrong)

    def _truths(self) -> list[str]:
        titles = self._page.locator(".tile").evaluate_all("all => all.map(one => one.title)")
        return [self._truth[Path(title).name] for title in titles]

    def _kind(self) -> str:
        question = self._page.locator("#question").inner_text()
        return next((kind for start, kind in KINDS.items() if question.startswith(start)), "")

    def _give(self, name: str) -> None:
        texts = self._page.locator("#labels button").all_inner_texts()
        digits = [text.split()[0] for text in texts if text.split()[1:] == [name]]
        if digits:
            self._page.keyboard.press(digits[0])
        else:
            self._page.locator("#name").focus()
            self._page.keyboard.type(name)
            self._page.keyboard.press("Shift+Enter")

    def _draw(self, name: str) -> None:
        self._page.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
        draw(self._page, self._pictures / name)


def report_right(into: Path, truth: Mapping[str, str]) -> None:
    """Print how many files of each folder belong there."""
    for folder in sorted(into.iterdir()):
        if folder.is_dir():
            names = [path.name for path in folder.iterdir() if path.is_file()]
            right = sum(truth.get(name) == folder.name for name in names)
            print(f"{folder.name:12} {len(names):5} photos, {right:5} of this class")


if __name__ == "__main__":
    sys.exit(main())
