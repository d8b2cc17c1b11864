"""Files that a walk skips are counted once, however often its job is interrupted."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job.job_options import (
    ErrorBudget,
    JobOptions,
    differences,
    parse_accept,
    parse_budget,
    parse_columns,
)
from producer.job.job_properties import PropertyValues
from producer.job.journal import Journal
from producer.job.skipped import ending, passed_over
from producer.job.totals import JobCounts
from producer.run.batcher import BatchLimits, resumed
from producer.run.file_transport import Transport
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from producer.table.verify import verify
from shared.errors import BadMessage
from shared.settings import Settings
from tests.support.jobs import finished_job
from tests.unit.sources.test_walk import Tree, image_paths, options, planted, trees
from tests.unit.sources.test_walk import skipped_files as oracle

ROWS_BEFORE_PERCENT = 1_000


@given(trees, st.lists(st.integers(0, 3), max_size=5), st.integers(1, 3),
       st.integers(1, 4))  # fmt: skip
def test_an_interrupted_job_counts_each_skipped_file_once(
    tree: Tree, batches_each: list[int], batch_images: int, pieces: int
) -> None:
    with planted(tree) as cwd:
        given_, settings = options(cwd, b"top"), Settings(batch_images=batch_images)
        path = Path(cwd.decode()) / "out.csv.hangtag"
        for most in (*batches_each, 1000):
            with closing(Journal(path)) as journal:
                batches = resumed(
                    RowFiles(JobSources(given_)), settings, Transport(given_, settings), journal
                )
                for _ in range(most):
                    if (batch := batches.next(BatchLimits(pieces=pieces))) is None:
                        break
                    journal.commit([batch.frozen], (), **passed_over(batch.skipped, batch.unlisted))
                skipped = batches.skipped
        assert skipped == dict(oracle(tree))
        with closing(Journal(path)) as journal:
            names = [name for names in journal.names() for name in names]
        assert names == sorted(image_paths(tree, b"top"))


def test_verify_counts_files_without_a_row_by_their_ending(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("a.png", "b.png", "c.mov", "d.txt", "e.txt", "f"):
        (tmp_path / "p" / name).write_bytes(name.encode())
    finished_job.finish(finished_job.options_of(tmp_path, b"p"))
    proof = verify(tmp_path / "out.csv")
    assert proof.proven
    assert proof.skipped == {".mov": 1, ".txt": 2, "without an ending": 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.", "without an ending"),
        ("a.TxT", ".txt"),
        ("a.00", ".00"),
        ("a.new", "with other endings"),
    ],
)
def test_twenty_endings_are_counted_each(name: str, kind: str) -> None:
    known = {"hidden": 5} | {f".{number:02}": 1 for number in range(19)}
    assert ending(b"a.12345678901", known) == ".12345678901"
    assert ending(b"a.123456789012", known) == "with other endings"
    assert ending(name.encode(), known | {".txt": 3}) == kind


@st.composite
def totals(draw: st.DrawFn) -> JobCounts:
    done = draw(st.integers(0, 3 * ROWS_BEFORE_PERCENT))
    return JobCounts(done + draw(st.integers(0, 10)), done, draw(st.integers(0, done)))


@given(st.from_regex(r"[0-9]{1,30}|([0-9]{1,2}(\.[0-9]{1,9})?|100(\.0)?)%", fullmatch=True))
def test_the_journal_stores_the_typed_text(text: str) -> None:
    budget = parse_budget(text)
    assert budget == ErrorBudget(float(text.rstrip("%")), text.endswith("%"))
    assert PropertyValues({"budget": msgspec.json.encode(budget)}).budget == budget


@pytest.mark.parametrize(
    "text", ["", "%", "-1", "1.5", "101%", "100.1%", "5 %", "1e3", "nan", "inf", "5%%", "ten"]
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        parse_budget(text)


@pytest.mark.parametrize("value", [-0.5, 0, 0.0, 1, 1.0, 95])
def test_a_precision_is_a_share_of_less_than_all(value: float) -> None:
    assert parse_accept(0.95) == parse_accept("95%") == 0.95
    with pytest.raises(ValueError, match="neither a precision"):
        parse_accept(value)


def test_all_columns_are_the_default() -> None:
    assert parse_columns("all") == parse_columns(["all"]) == ()


MINE = JobOptions((b"in/",), b"/here", model="mine@1", glob=("*.png", "*.jpg"))


@pytest.mark.parametrize(
    ("mine", "changes", "differs"),
    [
        (MINE, {"roots": (b"in",), "model": "mine@01", "glob": ("*.jpg", "*.png")}, []),
        (JobOptions(glob=("*.png",)), {"glob": "*.png"}, []),
        (MINE, {"roots": (b"other",)}, ["the folders"]),
        (MINE, {"model": "mine@2"}, ["--model mine@2"]),
        (MINE, {"cwd": b"/there"}, ["the current folder, to which paths are relative"]),
        (JobOptions((b"/in",), b"/here"), {"cwd": b"/there"}, []),
        (
            JobOptions(list_file=b"/list", cwd=b"/here"),
            {"cwd": b"/there"},
            ["the current folder, to which paths are relative"],
        ),
    ],
)
def test_jobs_differ_in_what_determines_their_rows(
    mine: JobOptions, changes: dict[str, Any], differs: list[str]
) -> None:
    assert differences(mine, msgspec.structs.replace(mine, **changes)) == differs


def test_a_job_without_options_is_refused() -> None:
    with pytest.raises(BadMessage, match="--restart"):
        _ = PropertyValues({}).options


@given(totals(), st.booleans(), st.integers(0, 3000))
def test_a_number_is_checked_at_once(totals: JobCounts, finished: bool, limit: int) -> None:
    assert ErrorBudget(limit).exceeded(totals.failed, totals.done, finished) == (
        totals.failed > limit
    )


@given(totals(), st.booleans(), st.integers(0, 100))
def test_a_share_is_checked_after_a_thousand_rows_and_at_the_end(
    totals: JobCounts, finished: bool, percent: int
) -> None:
    judged = finished or totals.done >= ROWS_BEFORE_PERCENT
    above = totals.done > 0 and totals.failed / totals.done > percent / 100 + 1e-12
    assert ErrorBudget(percent, percent=True).exceeded(totals.failed, totals.done, finished) == (
        judged and above
    )


@pytest.mark.parametrize(("done", "stops"), [(999, False), (1_000, True)])
def test_a_share_of_fewer_than_a_thousand_rows_stops_no_job(done: int, stops: bool) -> None:
    assert ErrorBudget(5, percent=True).exceeded(done // 2, done, finished=False) is stops


def test_a_budget_of_all_rows_is_never_exceeded() -> None:
    assert not ErrorBudget(100, percent=True).exceeded(9, 9, finished=True)
    assert ErrorBudget(0, percent=True).exceeded(1, 9, finished=True)
