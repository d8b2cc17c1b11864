"""What a review counts and orders is what its rows say, after any decisions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.job.journal import Journal, journal_path
from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import Answers
from producer.people.queue import Decide, Item
from producer.people.table_decisions import TableDecisions
from producer.people.table_queue import TableQueue, View, ViewKind
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import SetupError
from shared.labels import labels_file
from shared.labels.label_line import LabelLine
from shared.labels.labels_so_far import Decided
from shared.messages.model_card import RightOfOthers, encode_card
from shared.registry import packaged
from tests.support.images.crc_twins import twin
from tests.support.images.drawn_folders import draw
from tests.support.jobs.decided import lines_in
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.updated_job import update

ROWS = 12
LABELS = ("Bag", "Coat", "wool hat", None)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    draw(folder / "shapes", (5, 8), ROWS // 2)
    finish(options_of(folder, b"shapes"))
    return folder / "out.csv"


@pytest.fixture
def desk(table: Path) -> Iterator[TableQueue]:
    labels_file.of_table(table).unlink(missing_ok=True)
    with opened(table) as one:
        yield one


class opened:
    """A desk on a table, with processes that decode nothing."""

    def __init__(self, table: Path) -> None:
        self._table, self._thumbnails = table, Thumbnails()

    def __enter__(self) -> TableQueue:
        answers = Answers(self._table)
        decisions = TableDecisions(
            answers, self._table, "ada", RowFiles(JobSources(answers.options))
        )
        return TableQueue(self._table, answers, decisions, self._thumbnails)

    def __exit__(self, *error: object) -> None:
        self._thumbnails.__exit__(*error)


def rows_of(desk: TableQueue, start: int = 0, count: int = ROWS) -> list[Item]:
    """Rows in the order of the table."""
    return desk.rows(View(ViewKind.ALL), False, start, count).items


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, ROWS - 1), st.sampled_from(LABELS)), max_size=12))
def test_totals_are_those_of_the_decisions_in_force(
    table: Path, desk: TableQueue, made: list[tuple[int, str | None]]
) -> None:
    everything = rows_of(desk, start=0, count=ROWS)
    desk.decisions.decide({row.item: None for row in everything})
    expected: dict[int, str] = {}
    for position, label in made:
        desk.decisions.decide({position: label})
        expected.pop(position, None)
        if label is not None:
            expected[position] = label
    rows = rows_of(desk, start=0, count=ROWS)
    assert {row.item: row.decided.label for row in rows if row.decided} == expected
    decided = [row for row in rows if row.decided]
    totals = desk.decisions.totals()
    right = sum(row.decided == Decided("label", row.guess) for row in decided)
    assert (totals.decided, totals.right) == (len(decided), right)
    assert totals.expected == pytest.approx(sum(row.confidence for row in decided))
    others = sum(row.confidence for row in rows if not row.decided)
    assert totals.accuracy == pytest.approx((right + others) / ROWS)
    with opened(table) as again:  # another server reads the same log
        found = again.decisions.totals()
        assert (found.decided, found.right) == (totals.decided, totals.right)
        assert found.expected == pytest.approx(totals.expected)


RIGHT = RightOfOthers(40, 0.75, 0.59, 0.91)


@pytest.mark.parametrize(
    ("files", "source", "right", "said"),
    [
        (("corrections.json",), "", RIGHT, "75%"),
        (("corrections.json",), "", None, "too few were drawn by chance"),
        (("corrections.json",), "class-folders", None, None),
        ((), "", None, None),
    ],
    ids=["measured", "not measured", "of class folders, too", "of no labels"],
)
def test_only_of_a_version_of_labels_the_page_says_what_is_right_of_images_without_a_name(
    tmp_path: Path,
    files: tuple[str, ...],
    source: str,
    right: RightOfOthers | None,
    said: str | None,
) -> None:
    draw(tmp_path / "shapes", (5, 8), 2)
    finish(options_of(tmp_path, b"shapes"))
    card = msgspec.structs.replace(
        packaged.card(), files=dict.fromkeys(files, ""), source=source, right_of_others=right
    )
    with closing(Journal(journal_path(tmp_path / "out.csv"))) as journal:
        journal.put(card=encode_card(card))
    with opened(tmp_path / "out.csv") as desk:
        others = desk.facts("").heading
    assert said in others if said else "of the images without a name" not in others


def test_the_heading_counts_decisions_and_a_view_has_its_own_rows(desk: TableQueue) -> None:
    assert desk.facts("").heading.startswith("Nothing decided yet. About ")
    first, *others = rows_of(desk)
    saved = desk.decide({first.item: Decided("label", first.guess)}, Decide([]))
    assert saved.heading.startswith("1 decided: 100.0% of these were right, ")
    assert "Of the whole table about" in saved.heading
    labels, folder = desk.facts("").labels, Path(first.path).parent.name
    of_label = desk.rows(View(ViewKind.ALL, labels.index(first.guess)), True, 0, ROWS)
    assert of_label.items == [row for row in others if row.guess == first.guess]
    of_folder = desk.page({"kind": "all", "folder": folder}).items
    assert [row.item for row in of_folder] == [
        row.item for row in (first, *others) if Path(row.path).parent.name == folder
    ]
    assert 0 < len(of_folder) < ROWS


def test_rows_of_a_job_that_was_replaced_beside_the_page_are_not_shown(
    tmp_path: Path, table: Path
) -> None:
    """Its rows may be other files, so a decision would be about a picture that nobody has seen."""
    draw(tmp_path / "shapes", (5, 8), 2)
    finish(options_of(tmp_path, b"shapes"))
    with opened(tmp_path / "out.csv") as desk:
        shutil.rmtree(tmp_path / "shapes")
        draw(tmp_path / "shapes", (6, 7), 2)
        journal_path(tmp_path / "out.csv").unlink()
        (tmp_path / "out.csv").unlink()
        finish(options_of(tmp_path, b"shapes"), job_id="testjb02")
        for use in (
            lambda: rows_of(desk),
            lambda: desk.picture(0, 192),
            lambda: desk.decisions.decide({0: "Bag"}),
        ):
            with pytest.raises(SetupError, match="has other rows now; start the review again"):
                use()
    assert not labels_file.of_table(tmp_path / "out.csv").exists()


def test_rows_of_a_table_that_was_brought_up_to_date_beside_the_page_are_not_shown(
    tmp_path: Path,
) -> None:
    draw(tmp_path / "shapes", (5, 8), 2)
    finish(options_of(tmp_path, b"shapes"))
    with opened(tmp_path / "out.csv") as desk:
        next((tmp_path / "shapes").rglob("*.png")).unlink()
        update(options_of(tmp_path, b"shapes"))
        with pytest.raises(SetupError, match="has other rows now; start the review again"):
            rows_of(desk)


class Twins:
    """A table of six files: `one` has two copies (rows 1 to 3), `two` has the same size and CRC-32
    and one copy (rows 4 and 5), and row 6 is another file."""

    def __init__(self, folder: Path) -> None:
        (folder / "photos").mkdir()
        self.one = bytes(range(40))
        self.two = twin(self.one, b"two")
        self.files = [folder / f"photos/{n}.png" for n in range(6)]
        for n, file in enumerate(self.files):
            file.write_bytes(self.one if n < 3 else self.two if n < 5 else b"six")
        self.table = folder / "out.csv"
        finish(options_of(folder, b"photos"))

    def lines(self) -> list[LabelLine]:
        return lines_in(labels_file.of_table(self.table))

    def decided(self) -> list[str | None]:
        """By row, as a new server reads the log."""
        with opened(self.table) as desk:
            return desk.decisions.of(range(6))


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    return Twins(tmp_path)


def test_files_of_equal_size_and_crc_are_decided_in_one_request(twins: Twins) -> None:
    with opened(twins.table) as desk:
        desk.decisions.decide({0: "Bag", 4: "Coat", 5: "Boot"})
    assert twins.decided() == ["Bag"] * 3 + ["Coat"] * 2 + ["Boot"]


@pytest.mark.parametrize(
    "later", [{0: "Bag", 1: "Coat"}, {1: "Coat", 0: "Bag"}, {0: "Coat", 1: None}]
)
def test_of_equal_files_the_later_decision_counts_and_is_reported(
    twins: Twins, later: dict[int, str | None]
) -> None:
    wanted = list(later.values())[-1]
    with opened(twins.table) as desk:
        desk.decisions.decide({2: "Boot"})
        refused, labels = desk.decisions.decide(later)
        assert (refused, [labels[at] for at in range(3)]) == ([], [wanted] * 3)
        assert desk.decisions.of(range(3)) == [wanted] * 3
    assert twins.decided() == [wanted] * 5 + [None]


def test_a_decided_file_that_has_changed_since_gets_no_other_label(twins: Twins) -> None:
    with opened(twins.table) as desk:
        desk.decisions.decide({0: "Bag"})
        twins.files[0].write_bytes(b"changed")
        refused, _ = desk.decisions.decide({0: "Coat"})
        assert [one.item for one in refused] == [0]
        assert desk.decisions.of(range(3)) == ["Bag"] * 3
        desk.decisions.decide({0: None})  # needs no file
        assert desk.decisions.of(range(3)) == [None] * 3


def test_undo_takes_decisions_back_in_their_order_without_their_files(twins: Twins) -> None:
    with opened(twins.table) as desk:
        desk.decisions.decide({0: "Bag"})
        desk.decisions.decide({0: "Coat", 5: "Boot"})
        desk.decisions.decide({0: None})
        for file in twins.files:
            file.unlink()
        expected = [["Coat", "Boot"], ["Bag", None], [None, None]]
        for labels in expected:
            assert desk.undo() is not None
            assert desk.decisions.of([2, 5]) == labels
        assert desk.undo() is None
    assert twins.decided() == [None] * 6


def test_a_copy_that_is_missing_has_the_label_too(twins: Twins) -> None:
    twins.files[1].unlink()
    with opened(twins.table) as desk:
        desk.decisions.decide({0: "Bag"})
    assert twins.decided()[:3] == ["Bag"] * 3


def test_a_log_that_was_removed_beside_the_page_is_an_error_until_it_is_back(twins: Twins) -> None:
    log = labels_file.of_table(twins.table)
    with opened(twins.table) as desk:
        desk.decisions.decide({0: "Bag"})
        whole = log.read_bytes()
        log.unlink()
        for use in (
            lambda: desk.decisions.decide({5: "Boot"}),
            lambda: rows_of(desk),
            lambda: desk.facts(""),
        ):
            with pytest.raises(SetupError, match="removed or changed"):
                use()
        assert not log.exists()
        log.write_bytes(whole)
        desk.decisions.decide({5: "Boot"})
    assert twins.decided() == ["Bag"] * 5 + ["Boot"]
