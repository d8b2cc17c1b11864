"""`hangtag train` and `hangtag worker --queue train`: wrong command lines, without a server."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.machine import stack
from producer.trainer.client import make_request
from producer.trainer.submit import continues, how_to_start_trainer, submit
from producer.trainer.train import make_work
from shared import installation
from shared.errors import BadMessage, Exit, SetupError, UsageError
from shared.installation import DRAW_PACKAGES, ONNX_PACKAGES, ROOT, TENSORFLOW_PACKAGES
from shared.ledger import request_store
from shared.messages.requests import (
    CheckDataset,
    ComputeFeatures,
    ImportNetwork,
    Outcome,
    Promote,
    Request,
    Work,
    needed_packages,
)
from shared.messages.training import Train
from shared.settings import Settings
from tests.support.jobs import stored_requests
from tests.support.processes.manual_trainer import ANSWER

ELSEWHERE = Settings(redis_url="redis://:secret@host:1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of classes and an unreachable broker; a command that connects fails."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/bag").mkdir(parents=True)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, list(arguments))


def complaint(result: Result, code: Exit) -> str:
    """The one line of a command that must fail."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["--data", "/"], "--name"),
        (["photos", "--data", "photos"], "leave out one of them"),
        (["--follow", "r1", "photos"], "leave out DIR"),
        (["--name", "No/Name"], "small letters"),
        (["--request-id", "../x"], "cannot be the id"),
        (["photos", "--epochs", "3"], "out, or use --recipe tutorial, fast or accurate"),
        (["--recipe", "photo-head"], "photo-head is for photos; name a folder"),
        (["--recipe", "photo-hed", "--epochs", "3"], "did you mean photo-head"),
        (["photos", "--recipe", "photo-fine"], "was one of version 0.2.0; use --recipe photo-head"),
        ([], "name a folder with a subfolder for each class"),
        (["--detach"], "hangtag train --data fashion-mnist"),
        (["--follow", "r1", "--epochs", "3"], "--follow cannot be combined; leave out --epochs"),
        (["--follow", "r1", "--cancel", "r1"], "cannot be combined"),
        (["--cancel", "r1", "--data", "photos"], "leave out --data"),
        (["--list", "--detach"], "--list cannot be combined; leave out --detach"),
    ],
)
def test_contradictory_options_are_one_line_with_the_fix(arguments: list[str], fix: str) -> None:
    assert fix in complaint(run("train", *arguments), Exit.USAGE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--epochs", "0"],
        ["--seed", "-1"],
        ["--promote", "perhaps"],
        ["--max-unreadable", "101%"],
        ["--max-unreadable", "nan"],
        ["--max-unreadable", "few"],
        ["--timeout", "0"],
        ["--timeout", "nan"],
    ],
    ids=" ".join,
)
def test_a_value_out_of_range_names_its_option(arguments: list[str]) -> None:
    result = run("train", *arguments)
    assert result.exit_code == Exit.USAGE
    assert arguments[0] in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [["--recipe", "fast"], ["--follow", "r1"], ["--cancel", "r1"], ["--list"]],
    ids=" ".join,
)
def test_an_unreachable_broker_is_a_setup_error(arguments: list[str]) -> None:
    assert "Redis" in complaint(run("train", *arguments), Exit.SETUP)


@pytest.mark.parametrize("folder", ["/", "...", "Fashion MNIST", "漢字"])
def test_a_folder_whose_name_cannot_be_a_models_needs_one(here: Path, folder: str) -> None:
    (here / folder).mkdir(exist_ok=True)
    with pytest.raises(UsageError, match="--name"):
        make_work({"data": folder}, Settings())


def test_a_folder_in_the_place_of_the_labels_file_is_one_line_with_the_command(
    here: Path,
) -> None:
    (here / "pics").mkdir(exist_ok=True)
    for words in (["--labels", "pics/"], ["pics/", "--labels", "pics/"]):
        result = CliRunner().invoke(hangtag, ["train", *words])
        assert result.exit_code == Exit.USAGE
        assert "hangtag train pics --labels" in " ".join(result.stderr.split())


def test_a_request_that_only_its_command_shows_is_not_followed_by_another() -> None:
    request = make_request(ComputeFeatures("/photos"), "r1")
    assert "the same command" in continues(request)
    assert "--follow" not in continues(request)


def test_the_default_recipe_suits_the_data(here: Path) -> None:
    assert make_work({}, Settings()) == Train("fashion-mnist", "fast")
    found = make_work({"data": "photos", "name": "garments"}, Settings())
    assert (found.recipe, found.data) == ("photo-head", f"{here}/photos")
    assert make_work({"data": "photos", "recipe": "photo"}, Settings()).recipe == "photo-head"


@pytest.mark.usefixtures("bare")
def test_without_tensorflow_nothing_is_queued_on_the_local_stack(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HANGTAG_REDIS_URL")
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", str(here / "stack"))
    line = complaint(run("train", "--data", "fashion-mnist"), Exit.SETUP)
    assert "keras and tensorflow are missing" in line
    assert f"-m pip install -c {ROOT}/constraints.txt -e '{ROOT}[all,tensorflow]'" in line
    assert not (here / "stack").exists()


@pytest.mark.usefixtures("bare")
def test_a_machine_that_cannot_draw_cannot_start_a_trainer() -> None:
    line = complaint(run("worker", "--queue", "train"), Exit.SETUP)
    assert "matplotlib is missing" in line
    assert f"-m pip install -c {ROOT}/constraints.txt -e '{ROOT}[all]'" in line


@pytest.mark.parametrize("work", [Train("x", "photo", "/photos"), CheckDataset("/photos")])
def test_photos_need_no_tensorflow(work: Work) -> None:
    assert not needed_packages(work).keys() & TENSORFLOW_PACKAGES.keys()
    assert TENSORFLOW_PACKAGES.keys() <= needed_packages(Train("x", "fast")).keys()


@pytest.mark.parametrize(
    ("backbone", "needs"), [("", False), ("efficientnet-lite2", False), ("dino", True)]
)
def test_a_backbone_of_ones_own_needs_its_runtime(backbone: str, needs: bool) -> None:
    work: Work
    for work in (
        Train("x", "photo", "/photos", backbone=backbone),
        CheckDataset("/photos", backbone=backbone),
        ComputeFeatures("/photos", backbone=backbone),
    ):
        assert ("onnxruntime" in needed_packages(work)) == needs


@pytest.mark.usefixtures("bare")
def test_a_promotion_needs_no_tensorflow() -> None:
    stack.check_can(Settings(), Promote("garments@2"))


@pytest.mark.usefixtures("bare")
def test_an_onnx_file_needs_another_extra() -> None:
    with pytest.raises(SetupError, match=r"onnx and onnxruntime are missing.*\[onnx\]';"):
        stack.check_can(Settings(), ImportNetwork("mine", "onnx", "0" * 64))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine where training is not installed."""
    found: Callable[..., object] = importlib.util.find_spec

    absent = DRAW_PACKAGES | TENSORFLOW_PACKAGES | ONNX_PACKAGES

    def find(name: str) -> object:
        return None if name in absent else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    installation.present.cache_clear()
    yield
    installation.present.cache_clear()


def test_the_command_that_starts_a_trainer_contains_no_password() -> None:
    line = how_to_start_trainer(ELSEWHERE)
    variables = "HANGTAG_REDIS_URL=redis://host:1 HANGTAG_REDIS_PASSWORD_FILE=..."
    assert line.endswith(f": {variables} hangtag worker --queue train")
    assert "secret" not in line


def store_request(settings: Settings, request: Request, outcome: Outcome | None = None) -> None:
    """Store a request; with an outcome as a finished one."""
    folder = stored_requests.keep_on_stack(settings, request)
    if outcome is not None:
        stored_requests.finish(folder, outcome)


def test_the_outcome_of_a_known_id_needs_no_data(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted script submits the same command; the photos may have been moved since."""
    monkeypatch.delenv("HANGTAG_REDIS_URL")
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", str(here / "stack"))
    request = make_request(make_work({"data": "photos", "name": "garments"}, Settings()), "r1")
    outcome = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(ANSWER)))
    store_request(Settings.from_env(), request, outcome)
    again = ("train", "photos", "--name", "garments", "--request-id", "r1", "--json")
    (here / "photos/bag").rmdir()  # nothing to learn from
    assert msgspec.json.decode(run(*again).stdout)["model"] == ANSWER.model
    (here / "photos").rmdir()
    assert msgspec.json.decode(run(*again).stdout)["model"] == ANSWER.model
    assert "other work" in complaint(run(*again, "--seed", "2"), Exit.USAGE)
    assert "is not a folder" in complaint(run(*again[:-2], "r2"), Exit.USAGE)


def test_other_work_under_a_stored_id_is_refused_before_anything_starts(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    store_request(settings, make_request(Train("garments", "fast"), "r1"))
    with pytest.raises(UsageError, match="other work"):
        submit(settings, make_request(Train("garments", "fast", seed=2), "r1"))
    assert not (here / "stack").exists()


def test_a_finished_request_in_the_store_is_not_submitted_again(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    request = make_request(Train("garments", "fast"), "r1")
    store_request(settings, request, Outcome(ok=True))
    assert submit(settings, make_request(Train("garments", "fast"), "r1")).ok
    assert not (here / "stack").exists()


def test_a_failed_request_names_its_error_and_how_to_submit_it_again(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    outcome = Outcome(ok=False, error="no images; name another folder")
    store_request(settings, make_request(Train("garments", "fast"), "r1"), outcome)
    with pytest.raises(SetupError, match=r"failed before: no images; .*another --request-id"):
        submit(settings, make_request(Train("garments", "fast"), "r1"))


@pytest.mark.parametrize("stored", [b"", b'{"id": "r1"}', b'{"of": "a later version"}'])
def test_a_stored_request_that_cannot_be_read_is_not_replaced(here: Path, stored: bytes) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    file = settings.store_path / request_store.FOLDER / "r1" / request_store.REQUEST_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(stored)
    with pytest.raises(BadMessage, match=r"^request r1 .*cannot be read.*another --request-id"):
        submit(settings, make_request(Train("garments", "fast"), "r1"), wait=False)
    assert file.read_bytes() == stored
    assert not (here / "stack").exists()


def test_a_store_that_cannot_be_written_names_the_setting(here: Path) -> None:
    (here / "file").touch()
    with pytest.raises(SetupError, match="HANGTAG_STORE"):
        stored_requests.keep(here / "file", make_request(Train("garments", "fast")))


def test_an_undecodable_path_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="not printable text"):
        make_work({"data": os.fsdecode(b"\xff"), "name": "garments"}, ELSEWHERE)
