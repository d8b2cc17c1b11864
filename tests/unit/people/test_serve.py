"""What `hangtag review` refuses before it serves a page, and what it names at its end."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from producer.job.journal import Journal, journal_path
from producer.people import next_steps
from producer.people.answer_arrays import Answers
from producer.people.review import serve
from producer.people.table_decisions import TableDecisions
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import UsageError
from shared.messages.model_card import encode_card
from shared.registry import learned_lines, packaged
from shared.settings import Settings
from tests.support.images.drawn_folders import draw
from tests.support.jobs.finished_job import finish, options_of


class Served(Exception):
    """The page is about to be shown."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    draw(tmp_path / "shapes", (5, 8), 2)
    finish(options_of(tmp_path, b"shapes"))
    return tmp_path / "out.csv"


def served(
    table: Path, label: str = "", folder: str = "", settings: Settings | None = None
) -> None:
    def ready(link: str, rows: int, notes: list[str]) -> None:
        print(*notes, sep="\n", end="")
        raise Served

    settings = settings or Settings()
    serve(settings, table, label=label, folder=folder, on_ready=ready)


def test_labels_and_folders_of_the_table_are_served(table: Path) -> None:
    folder_name = next(table.parent.glob("shapes/*")).name
    for label, folder in (("", ""), ("Bag", ""), ("", folder_name)):
        with pytest.raises(Served):
            served(table, label, folder)


def test_an_unknown_label_or_folder_is_named_with_the_known_ones(table: Path) -> None:
    with pytest.raises(UsageError, match=r"has no label 'bags'; it has: .*Bag"):
        served(table, label="bags")
    with pytest.raises(UsageError, match=r"has no folder 'bags'; it has: "):
        served(table, folder="bags")


def test_a_version_that_is_gone_is_named_once_and_its_decisions_count(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = msgspec.structs.replace(
        packaged.card(), name="gone", version=3, files={learned_lines.FILE: "0" * 64}
    )
    with closing(Journal(journal_path(table))) as journal:
        journal.put(card=encode_card(gone))
    with pytest.raises(Served):
        served(table, settings=Settings(store=str(tmp_path / "store")))
    (line,) = capsys.readouterr().out.splitlines()
    assert "gone@3 has learned count as others do" in line


def test_a_label_that_differs_in_case_only_is_refused(table: Path) -> None:
    answers = Answers(table)
    decisions = TableDecisions(answers, table, "ada", RowFiles(JobSources(answers.options)))
    with pytest.raises(UsageError, match="has the folder of 'Bag'"):
        decisions.decide({0: "bAG"})


def test_commands_that_use_decisions_are_named_if_there_are_any(table: Path) -> None:
    assert next_steps.after_review(table) == []
    answers = Answers(table)
    decisions = TableDecisions(answers, table, "ada", RowFiles(JobSources(answers.options)))
    decisions.decide({0: "Bag"})
    _, (aim, command) = steps = next_steps.after_review(table)
    assert [command.split()[1] for _, command in steps] == ["table", "train"]
    # The shipped model has no folders here: the aim says what stands for them.
    assert next_steps.CLASS_FOLDERS in aim
    assert next_steps.CLASS_FOLDERS in command
    decisions.decide({0: None})
    assert next_steps.after_review(table) == []


def test_decisions_on_a_table_of_a_labels_version_are_added_to_the_labels(tmp_path: Path) -> None:
    """Such a version has no class folders to learn from."""
    (tmp_path / "shapes").mkdir()
    options = options_of(tmp_path, b"shapes")
    files = {learned_lines.FILE: ""}
    of_labels = msgspec.structs.replace(packaged.card(), files=files, source="")
    of_folders = msgspec.structs.replace(of_labels, source=str(tmp_path / "shapes"))
    table = tmp_path / "out.csv"
    learn = [next_steps.learning(card, options, table)[1] for card in (of_labels, of_folders)]
    assert [command.split()[1] for command in learn] == ["label", "train"]
    assert learn[0].endswith(f"shapes --from {table}")
    for name, words in (("shapes", ""), ("other", "--name other ")):
        named = msgspec.structs.replace(of_folders, name=name)
        train = next_steps.learning(named, options, table)[1]
        assert train.endswith(f"shapes {words}--corrections {table}")
        assert ("--name" in train) == bool(words)
    gone = next_steps.learning(of_labels, options_of(tmp_path, b"gone"), table)
    assert gone[1].startswith(f"hangtag train {next_steps.CLASS_FOLDERS}")
