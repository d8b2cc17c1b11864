"""`hangtag models` on this machine's store: what it displays, changes and refuses."""

from __future__ import annotations

import logging
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.job.job_index import IndexedJob, remember
from producer.job.journal import Journal, journal_path
from producer.present.formatting import one_line
from producer.trainer import manage, show
from producer.trainer.import_model import ImportArguments, lines, read_labels, tried_lines
from producer.versions.catalog import Catalog
from shared.errors import Exit, SetupError, UsageError
from shared.messages.batch import JobRecord, encode_job
from shared.messages.model_card import Card, Metrics, card_sha256, encode_card
from shared.messages.replies import Decided, Pruned, Trained, Tried, TriedForm
from shared.messages.requests import NetworkForm
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings

NAME = "shoes"
PLOTS = {"confusion.png": b"\x89PNG one", "samples.png": b"\x89PNG two"}
FILES = {"model.tflite": b"1" * 2_500_000, "model.keras": b"2", **PLOTS}


@pytest.fixture
def registry() -> Registry:
    """The store that the commands use, with three versions of NAME."""
    registry = Registry(Settings.from_env().store_path)
    for seed in (1, 2, 3):
        registry.publish(card(seed), FILES, who="ann@host")
    return registry


def card(seed: int, **changes: Any) -> Card:
    given = {"seed": seed, "files": {}, "recipe": "fast"} | changes
    return msgspec.structs.replace(packaged.card(), name=NAME, **given)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, ["models", *arguments])


def good(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def complaint(result: Result, code: Exit) -> str:
    """The one line of a command that must fail."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.isprintable()
    return line


def test_json_has_the_same_data_as_the_text(registry: Registry) -> None:
    rows = msgspec.json.decode(good("list", NAME, "--json"))
    assert [row["model"] for row in rows] == ["shoes@1", "shoes@2", "shoes@3"]
    assert rows[0]["aliases"] == ["production"]
    assert rows[0]["bytes"] == len(FILES["model.tflite"])
    assert rows[0]["accuracy"] == packaged.card().metrics.test_accuracy
    displayed = msgspec.json.decode(good("show", "shoes@2", "--json"))
    assert msgspec.convert(displayed["card"], Card) == registry.card(NAME, 2)
    assert displayed["sizes"] == {name: len(data) for name, data in FILES.items()}


def test_a_promotion_and_its_rollback_are_listed_with_user_and_reason(registry: Registry) -> None:
    assert "version 3 now; before: version 1" in good("promote", "shoes@3", "--why", "better soles")
    assert "version 1 now; before: version 3" in good("rollback", NAME, "--why", "they squeak")
    assert registry.aliases(NAME) == {"production": 1}
    history = good("show", NAME).partition("aliases of shoes")[2].splitlines()[1:]
    assert [re.split(r"\s{2,}", line.strip())[1:4] for line in history[1:]] == [
        ["production", "1", "promote"],
        ["production", "3", "promote"],
        ["production", "1", "rollback"],
    ]
    for text, line in zip(
        ("the first version", "better soles", "they squeak"), history[1:], strict=True
    ):
        assert text in line
        assert "@" in line


def test_text_of_others_cannot_control_a_terminal(registry: Registry) -> None:
    registry.publish(card(4, notes="\x1b[2J\rgone", dataset="a\nb", recipe="\x07"), FILES)
    registry.promote(NAME, 4, who="\x1b]0;x\x07", why="two\nlines \x1b[31m")
    for arguments in (("list",), ("show", "shoes@4")):
        for line in good(*arguments).splitlines():
            assert line.isprintable()
    assert one_line("two\nlines \x1b[31m") == r"two lines \x1b[31m"


def test_a_damaged_version_is_reported_and_hides_no_other(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
    (registry.root / NAME / "2/card.json").write_bytes(b"{")
    result = run("list", NAME)
    assert result.exit_code == 0
    assert "shoes@2 is damaged" in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["shoes@1", "shoes@3"]


@pytest.mark.parametrize("name", ["../out.png", "/tmp/hangtag-out.png", ".png", "a/b.png"])
def test_a_foreign_card_cannot_name_a_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    evil = card(1, files={name: "0" * 64})
    catalog = Catalog(Settings.from_env())
    with pytest.raises(SetupError, match="cannot be a file of a version"):
        show.write_plots(catalog, evil, folder, force=True)
    assert list(tmp_path.iterdir()) == []


def job(version: int, output: Path, **properties: bytes) -> None:
    """A job that was started here with a version of NAME; finished if `exit` is given."""
    pinned = msgspec.structs.replace(card(version), version=version)
    record = JobRecord(
        f"testjb0{version}", NAME, version, card_sha256(pinned), "litert", 1, "out.csv", "host", 0.0
    )
    with closing(Journal(journal_path(output))) as journal:
        journal.put(record=encode_job(record), card=encode_card(pinned), **properties)
    remember(IndexedJob(record.id, str(output), float(version)))


def test_a_resumable_job_protects_its_version_and_a_finished_one_does_not(
    registry: Registry, tmp_path: Path
) -> None:
    registry.publish(card(4), FILES)
    job(2, tmp_path / "paused.csv")
    job(3, tmp_path / "finished.csv", exit=b"0")
    planned = run("prune", NAME, "--keep", "0", "--dry-run")
    assert registry.versions(NAME) == [1, 2, 3, 4]
    assert "2 versions" in planned.stderr
    assert re.search(r"shoes@2 +stays +job testjb02 is paused and pinned to it", planned.stdout)
    assert re.search(r"shoes@3 +to be removed", planned.stdout)
    pruned = msgspec.json.decode(good("prune", NAME, "--keep", "0", "--json", "--yes"))
    assert pruned["removed"] == [3, 4]
    assert registry.versions(NAME) == [1, 2]


def test_pruning_lists_what_it_would_delete_and_deletes_nothing_without_a_confirmation(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(3, tmp_path / "finished.csv", exit=b"0")
    asked = run("prune", NAME, "--keep", "0")
    assert asked.exit_code == Exit.USAGE
    assert "confirm it with --yes" in asked.stderr
    listed = r"shoes@3 +to be removed +not needed; .*finished\.csv was made with it"
    assert re.search(listed, asked.stdout)
    removed = Pruned((3,), {}, 0)
    tables = {3: ["again.csv", "finished.csv"]}
    monkeypatch.setattr(manage, "tables_of", lambda name: tables)
    assert "again.csv and 1 more were made with it" in "\n".join(manage.table(NAME, removed))
    assert registry.versions(NAME) == [1, 2, 3]
    as_json = run("prune", NAME, "--keep", "0", "--json")
    assert (as_json.exit_code, as_json.stdout) == (Exit.USAGE, "")
    assert registry.versions(NAME) == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (b"", "there are 0 labels"),
        (b"bag\n", "there are 1 labels"),
        (b"bag\n\ndress\n", "label 2"),
        (b"bag\ndress\nbag\n", "'bag' is there twice"),
        (b"bag\n\xff\n", "not UTF-8"),
        (b"bag\n\x1b[2Jdress\n", "label 2"),
        (b"bag\n" + b"d" * 201, "label 2"),
    ],
)
def test_an_invalid_list_of_labels_names_one(tmp_path: Path, content: bytes, fix: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=fix):
        read_labels(path)


FIRST = Decided("production", 1, None, True, "the first version")
UNMEASURED = Trained("mine@1", Metrics(0.0, 0, 0.0, 0.0), FIRST, 1.0)


@pytest.mark.parametrize(("scale", "asks"), [("0-255", True), ("", True), ("0-1", False)])
def test_an_import_without_labelled_images_names_the_scale_of_its_images(
    scale: str, asks: bool
) -> None:
    text = "\n".join(lines(UNMEASURED, Settings.from_env(), Path("mine.keras"), scale))
    assert "not evaluated" in text
    assert ("--scale 0-1" in text) is asks


def test_what_was_tried_is_a_table_with_the_line_that_imports_so() -> None:
    best = NetworkForm(("a", "b"), "0-1", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), channels="bgr")
    forms = (TriedForm(best, 0.95, 0.2), TriedForm(NetworkForm(("a", "b"), "-1-1"), 0.5, 1.25))
    given = ImportArguments(name="mine", labels=Path("labels.txt"), check="some")
    assert tried_lines(Tried(40, forms), Path("net.onnx"), given) == [
        "nothing is published; 40 labelled images were tried, the best first",
        "  options                                                             right    loss",
        "  --scale=0-1 --mean=0.5,0.5,0.5 --std=0.25,0.25,0.25 --channels=bgr  95.0%   0.200",
        "  --scale=-1-1                                                        50.0%   1.250",
        "import it with: hangtag models import net.onnx --name mine --labels labels.txt "
        "--scale=0-1 --mean=0.5,0.5,0.5 --std=0.25,0.25,0.25 --channels=bgr",
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["net.keras"], "a .keras file needs --labels FILE"),
        (["net.keras", "--labels", "l", "--layout", "nchw"], "only --scale can be given"),
        (["net.onnx", "--data", "some"], "hangtag models calibrate x --data DIR"),
        (["net.pb", "--labels", "l"], "or export it as .onnx or .tflite|save the one it was"),
    ],
)
def test_an_option_that_is_not_for_the_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(arguments[0]).touch()
    assert re.search(line, complaint(run("import", "--name", "x", *arguments), Exit.USAGE))


@pytest.mark.parametrize("text", ["1,x", "nan", "", "1,,2"])
def test_a_mean_is_a_list_of_numbers(text: str) -> None:
    result = run("import", "net.onnx", "--name", "x", "--mean", text)
    assert result.exit_code == Exit.USAGE
    assert "is not a list of numbers such as 0.485,0.456,0.406" in " ".join(result.stderr.split())
