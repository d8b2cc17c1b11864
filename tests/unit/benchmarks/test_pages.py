"""The pages show the recorded run of the benchmark, and it measured the version that ships."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks import short
from benchmarks.report import pages, record
from benchmarks.report.blocks import BLOCKS
from benchmarks.report.record import Record, ShortRatio
from benchmarks.workloads.networks import SHIPPED
from shared.registry import packaged


@pytest.fixture(scope="module")
def found() -> Record:
    return record.read()


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_is_that_of_the_recorded_run(page: Path, found: Record) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- bench:") == text.count("<!-- /bench -->") == len(pages.names(text))
    assert pages.rewritten(text, found) == text, "run: python -m benchmarks.report.pages"


def test_every_block_is_in_one_page_and_names_the_measured_cards(found: Record) -> None:
    shown = [name for page in pages.PAGES for name in pages.names(page.read_text("utf-8"))]
    assert sorted(shown) == sorted(BLOCKS)
    for name, block in BLOCKS.items():
        text = " ".join(block(found).split())
        for version in found.versions:
            assert f"{version.network} {version.card}" in text, name


def test_the_recorded_run_measured_the_version_that_ships(found: Record) -> None:
    version = found.version(SHIPPED)
    assert version is not None
    assert version.sha256 == packaged.card_sha256(), "another version ships: run make bench"


def test_a_run_that_is_not_complete_or_not_idle_is_tagged_in_every_block(found: Record) -> None:
    def tagged(**changed: object) -> list[str]:
        run = msgspec.structs.replace(found, **{"complete": True, "load": 0.0, **changed})
        texts = {name: " ".join(block(run).split()) for name, block in BLOCKS.items()}
        return [name for name, text in texts.items() if "Do not quote" in text]

    assert tagged() == []
    assert tagged(complete=False) == tagged(load=1.0) == list(BLOCKS)


@pytest.mark.parametrize(
    ("ratio", "processor", "fails"),
    [(0.5, "A", False), (0.38, "A", False), (0.37, "A", True), (0.63, "A", True),
     (0.1, "B", False)],
)  # fmt: skip
def test_the_nightly_run_fails_for_a_moved_ratio_on_the_recorded_processor(
    found: Record, ratio: float, processor: str, fails: bool
) -> None:
    recorded = [ShortRatio("dense", 6000, 5, 0.5)]
    known = msgspec.structs.replace(found, processor="A", short=recorded, complete=True, load=0.0)
    measured = [ShortRatio("dense", 6000, 5, ratio)]
    assert short.fails(measured, known, processor) is fails
    text = " ".join(short.lines(measured, known, processor))
    assert f"dense {ratio:.2f} ({ratio / 0.5 - 1:+.0%})" in text
    assert ("no failure" in text) is (processor == "B")
    assert not short.fails(measured, msgspec.structs.replace(known, load=1.0), processor)
