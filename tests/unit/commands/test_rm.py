"""`hangtag models rm` deletes a version or a model, and nothing that something needs."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.trainer.client import make_request
from shared import failpoints
from shared.errors import Exit
from shared.messages.replies import Pruned
from shared.messages.requests import Evaluate, Outcome, Work
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs import stored_requests
from worker.requests.workspace import Workspace

NAME = "shoes"


@pytest.fixture
def registry() -> Registry:
    """The store that the commands use: three versions, the first in production."""
    registry = Registry(Settings.from_env().store_path)
    card = msgspec.structs.replace(packaged.card(), name=NAME, files={})
    for _ in range(3):
        registry.publish(card, {"model.tflite": b"12345"})
    return registry


def hangtag_run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, arguments)


def rm(*arguments: str) -> Result:
    return hangtag_run("models", "rm", *arguments)


def refused(*arguments: str, code: Exit = Exit.SETUP) -> str:
    result = rm(*arguments)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    (line,) = result.stderr.splitlines()
    return line


def opened(work: Work) -> str:
    """Store a request that waits for a trainer; returns its id."""
    request = make_request(work)
    stored_requests.keep(Settings.from_env().store_path, request)
    return request.id


def test_a_version_is_deleted_and_its_number_stays_taken(registry: Registry) -> None:
    assert rm(f"{NAME}@3", "--yes").stdout == "shoes@3 is deleted: 1 version, 5 B freed\n"
    assert registry.versions(NAME) == [1, 2]
    card = msgspec.structs.replace(packaged.card(), name=NAME, files={})
    assert registry.publish(card, {"model.tflite": b"1"}).version == 4


def test_a_model_is_deleted_with_its_aliases_and_a_later_one_starts_again(
    registry: Registry,
) -> None:
    registry.promote(NAME, 2, alias="canary")
    assert "3 versions" in rm(NAME, "--yes").stdout
    assert registry.names() == ["fashion-mnist"]
    assert registry.aliases(NAME) == {}
    card = msgspec.structs.replace(packaged.card(), name=NAME, files={})
    registry.publish(card, {"model.tflite": b"1"})
    assert registry.aliases(NAME) == {"production": 4}
    assert registry.previous(NAME, "production") is None


def test_nothing_is_deleted_without_a_confirmation(registry: Registry) -> None:
    assert "--yes" in refused(f"{NAME}@3", code=Exit.USAGE)
    assert registry.versions(NAME) == [1, 2, 3]


def test_what_an_alias_stands_for_stays(registry: Registry) -> None:
    assert "hangtag models promote shoes@VERSION" in refused(f"{NAME}@1", "--yes")
    assert registry.versions(NAME) == [1, 2, 3]


@pytest.mark.parametrize("target", [NAME, f"{NAME}@2"])
@pytest.mark.parametrize(
    "work",
    [Evaluate(f"{NAME}@2"), Evaluate(f"{NAME}@best")],
    ids=["by its number", "by its alias"],
)
def test_what_an_open_request_uses_stays(registry: Registry, work: Work, target: str) -> None:
    registry.promote(NAME, 2, alias="best")
    registry.promote(NAME, 3, alias="best")
    registry.rollback(NAME, alias="best")
    registry.promote(NAME, 1)
    request = opened(work)
    line = refused(target, "--yes")
    assert f"hangtag cancel {request}" in line or "best stands for it" in line
    assert registry.versions(NAME) == [1, 2, 3]
    assert registry.aliases(NAME) == {"production": 1, "best": 2}


def test_pruning_keeps_what_an_open_request_uses(registry: Registry) -> None:
    request = opened(Evaluate(f"{NAME}@2"))
    opened(Train(NAME, "fast"))  # needs no version of its model
    arguments = ["models", "prune", NAME, "--keep", "0", "--json", "--yes"]
    pruned = msgspec.json.decode(CliRunner().invoke(hangtag, arguments).stdout, type=Pruned)
    assert pruned.kept[2] == f"request {request} needs it"
    assert (registry.versions(NAME), pruned.removed) == ([1, 2], (3,))


def test_a_model_that_is_being_trained_stays(registry: Registry) -> None:
    request = opened(Train(NAME, "fast"))
    assert f"request {request} needs it" in refused(NAME, "--yes")
    assert registry.versions(NAME) == [1, 2, 3]


@pytest.mark.parametrize(
    ("target", "code", "fix"),
    [
        ("fashion-mnist", Exit.USAGE, "hangtag models use"),
        ("fashion-mnist@0", Exit.SETUP, "is part of Hangtag"),
        ("shoes@production", Exit.USAGE, "is an alias; name the version: shoes@VERSION"),
        ("shoes@7", Exit.SETUP, "there is: shoes@1, shoes@2, shoes@3"),
        ("shoe", Exit.SETUP, "did you mean shoes?"),
        ("../shoes", Exit.USAGE, "cannot be a model"),
    ],
)
def test_a_wrong_target_is_one_line_with_its_fix_before_any_question(
    registry: Registry, target: str, code: Exit, fix: str
) -> None:
    assert fix in refused(target, code=code)


def test_the_help_of_unused_says_that_it_takes_a_name_alone(registry: Registry) -> None:
    assert "With a NAME alone: delete its old" in " ".join(rm("--help").stdout.split())
    assert "the name alone: shoes" in refused(f"{NAME}@2", "--unused", code=Exit.USAGE)


def test_the_model_that_commands_use_stays(registry: Registry) -> None:
    assert CliRunner().invoke(hangtag, ["models", "use", NAME]).exit_code == 0
    assert "commands use shoes@production" in refused(NAME, "--yes", code=Exit.USAGE)


@pytest.mark.parametrize("option", [["--keep", "2"], ["--keep", "3"], ["--dry-run"]])
def test_an_option_of_unused_alone_deletes_no_model(registry: Registry, option: list[str]) -> None:
    line = refused(NAME, *option, "--yes", code=Exit.USAGE)
    assert f"{option[0]} is for --unused" in line
    assert registry.versions(NAME) == [1, 2, 3]


@pytest.mark.parametrize("nth", [1, 3], ids=["first", "last"])
@pytest.mark.parametrize(
    "repeated", [["rm", NAME, "--yes"], ["prune", NAME, "--keep", "0", "--yes"]]
)
def test_an_interrupted_removal_of_a_model_is_finished(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, repeated: list[str], nth: int
) -> None:
    interrupt(monkeypatch, nth)
    assert rm(NAME, "--yes").exit_code == Exit.INTERRUPTED
    monkeypatch.undo()
    monkeypatch.setenv("XDG_DATA_HOME", str(Path(registry.root).parents[1]))
    assert registry.versions(NAME) == [1, 2, 3][nth:]
    assert files_of(registry)
    planned = CliRunner().invoke(hangtag, ["models", "prune", NAME, "--keep", "0", "--dry-run"])
    left = 4 - nth
    assert f"{left} version{'s' * (left > 1)}, {5 * left} B to be freed" in planned.stderr
    result = CliRunner().invoke(hangtag, ["models", *repeated])
    assert f"{left} version{'s' * (left > 1)}, {5 * left} B freed" in result.output
    assert registry.names() == ["fashion-mnist"]
    assert files_of(registry) == []
    assert "there is no model shoes" in CliRunner().invoke(hangtag, ["models", *repeated]).stderr


def interrupt(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """Interrupt the command after it has deleted the `nth` card, and not yet the files."""
    cards = itertools.count(1)

    def passed(name: str) -> None:
        if name == "version.card-removed" and next(cards) == nth:
            raise KeyboardInterrupt

    monkeypatch.setattr(failpoints, "_on_pass", passed)


def files_of(registry: Registry) -> list[Path]:
    """The files of all versions of the model, and of those that are partly deleted."""
    return list((registry.root / NAME).glob("*/*"))


def test_a_version_whose_name_is_an_unset_variable_is_not_deleted() -> None:
    """`hangtag models rm "$M@1" --yes` deleted a version of the default model."""
    registry = Registry(Settings.from_env().store_path)
    registry.publish(msgspec.structs.replace(packaged.card(), files={}), {"model.tflite": b"1"})
    assert "no name before the @" in refused("@1", "--yes", code=Exit.USAGE)
    assert 1 in registry.versions(packaged.NAME)


def test_a_request_that_a_broker_has_left_can_be_cancelled_and_a_finished_one_not(
    registry: Registry,
) -> None:
    """The remedy that `rm` names must end the refusal."""
    request_id = opened(Evaluate(f"{NAME}@3"))
    assert f"hangtag cancel {request_id}" in refused(f"{NAME}@3", "--yes")
    cancelled = hangtag_run("train", "--cancel", request_id)
    assert cancelled.exit_code == Exit.OK, cancelled.output
    assert hangtag_run("train", "--list").stdout == "no request is open\n"
    assert rm(f"{NAME}@3", "--yes").exit_code == Exit.OK
    assert registry.versions(NAME) == [1, 2]
    finished = Workspace(Settings.from_env().store_path, opened(Evaluate(f"{NAME}@2")))
    stored_requests.finish(finished, Outcome(ok=True))
    assert hangtag_run("train", "--cancel", finished.id).exit_code == Exit.USAGE
    assert finished.outcome() == Outcome(ok=True)
