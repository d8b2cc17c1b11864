"""Every link in a page, and every page that the code names, leads somewhere."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = (".", "docs", "benchmarks", "deploy/**")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md"))
#: A page as comments, messages and pages write it, from the root of the project.
NAMED = r"\b((docs|benchmarks)/[A-Za-z0-9_.-]+\.(md|txt|ipynb))(#[a-z0-9-]+)?"

FAULTS = ROOT / "tests/faults"  #: of the matrix
OF_CODE = r"`((?:hangtag|producer|shared|worker|tests)/[a-z0-9_/]+(?:\.(?:py|lua)|/))`"


def test_every_link_of_a_page_leads_to_a_file_and_a_heading() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                name, _, heading = target.partition("#")
                assert_leads(page.parent / name if name else page, heading)


def test_every_page_that_a_file_names_exists() -> None:
    """Pages of the project that code, comments, help texts and manifests name."""
    command = ["git", "grep", "-hoIE", NAMED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name, _, _, heading in set(re.findall(NAMED, done.stdout)):
        assert_leads(ROOT / name, heading[1:])


def test_every_file_of_the_code_that_a_page_names_exists() -> None:
    """Files and folders from the root of the project, as pages write them."""
    for page in PAGES:
        if page.name != "CHANGELOG.md":
            for name in re.findall(OF_CODE, page.read_text(encoding="utf-8")):
                assert (ROOT / name).exists() or (FAULTS / name).exists(), f"{page.name}: {name}"


def assert_leads(place: Path, heading: str) -> None:
    assert place.exists(), place
    if heading:
        assert heading in anchors(place.resolve()), f"{place}#{heading}"


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
