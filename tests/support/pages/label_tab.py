"""The page for first labels in a tab, what a person does there, and what its labels file says."""

from __future__ import annotations

from collections import Counter

from playwright.sync_api import Page, expect

from shared.labels import labels_file
from tests.support.pages.planted_folder import PlantedFolder
from tests.support.processes.label_server import Label

#: Of the folder that most tests label.
IMAGES = 120
PROPOSALS = ["hat", "coat", "shoe"]


def colours(page: Page, folder: PlantedFolder) -> list[str]:
    """The truth about the pictures of the page."""
    return [folder.colours[name] for name in names(page)]


def names(page: Page) -> list[str]:
    titles = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.title)")
    return [title.rpartition("/")[2] for title in titles]


def give(page: Page, name: str) -> None:
    """Name the pictures that were clicked away, or the page, by keyboard: by a digit if there is
    one."""
    known = page.locator("#labels button").all_inner_texts()
    digits = [text.split()[0] for text in known if text.split()[-1] == name]
    if digits:
        page.keyboard.press(digits[0])
    else:
        page.keyboard.type(name)
        page.keyboard.press("Enter")


def decide(page: Page, folder: PlantedFolder) -> int:
    """Say the truth about a page, and wait for the next one; returns the decisions that it took."""
    truth = colours(page, folder)
    most = Counter(truth).most_common(1)[0][0]
    wrong = [i for i, colour in enumerate(truth) if colour != most]
    give(page, most)
    for place in wrong:
        page.locator(".tile").nth(place).click()
        give(page, truth[place])
    saved = page.locator("#totals").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#totals")).not_to_have_text(saved)
    return 1 + len(wrong)


def given(label: Label) -> dict[str, str]:
    """The labels in the file, by the names of the images."""
    so_far = labels_file.read(label.file).so_far
    lines = [so_far.line(sha256) for sha256 in so_far.images()]
    return {line.path.rpartition("/")[2]: line.label for line in lines if line is not None}


def excluded(label: Label) -> dict[str, tuple[str, ...]]:
    """The names that images do not have, by the names of the images."""
    so_far = labels_file.read(label.file).so_far
    open_ = [line for line in so_far.lines() if so_far.of(line.sha256) is None]
    names = {line.path.rpartition("/")[2]: so_far.excluded(line.sha256) for line in open_}
    return {name: excluded for name, excluded in names.items() if excluded}


def mislabelled(folder: PlantedFolder, label: Label) -> tuple[set[str], int]:
    """Name most images right, but for two: these, and how many are named red."""
    colours = folder.colours
    wrong = [name for name in sorted(colours) if colours[name] == "blue"][1:3]
    facts = [(int(name[:4]), colours[name]) for name in sorted(colours)[: IMAGES - 20]]
    named = {stack: "red" if f"{stack:04}.png" in wrong else colour for stack, colour in facts}
    label.decide(*({"item": s, "kind": "label", "label": n} for s, n in named.items()))
    return set(wrong), list(named.values()).count("red")


def see_together(page: Page, name: str) -> None:
    page.keyboard.press("+")
    page.keyboard.type(name)  # chooses it in the list
    page.keyboard.press("Enter")


def display_naming(page: Page, number: int) -> list[str]:
    """Show pictures as those that the server wants named one at a time; returns their names."""
    page.evaluate(
        """([number, others]) => showPage({ why: "naming", label: "", items:
            state.items.slice(0, number).map((one) => ({ ...one, others })) })""",
        [number, [[name, 0] for name in PROPOSALS]],
    )
    expect(page.locator(".guesses")).to_have_count(number)
    return names(page)
