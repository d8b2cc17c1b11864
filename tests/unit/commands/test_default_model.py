"""The model of commands that name none: HANGTAG_MODEL, `models use`, the one that ships."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.jobs.classify import make_options
from producer.cli.main import hangtag
from producer.inputs.job_options import JobOptions, differences
from producer.models.default_model import choice, default_model
from shared.errors import Exit, UsageError
from shared.image_status import Status
from shared.messages.batch import BatchResult
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs.finished_job import answered, finish

GIVEN = {
    "folders": (b"photos",), "list_file": b"", "list0_file": b"", "output": "", "model": "",
    "glob": (), "runtime": "litert", "top_k": 1, "probabilities": False, "transport": "inline",
    "restart": False, "retry_failed": False, "update": False, "archives": False,
}  # fmt: skip


@pytest.fixture
def shoes() -> Registry:
    registry = Registry(Settings.from_env().store_path)
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    registry.publish(card, {"model.tflite": b"1"})
    return registry


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, ["models", *arguments])


def model_of(**given: object) -> str:
    """The model of a job of `hangtag classify`."""
    return make_options({**GIVEN, **given}).model


def test_the_chosen_model_is_that_of_later_commands(
    shoes: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model_of() == ""
    assert run("use", "shoes").stdout.endswith("; before: fashion-mnist\n")
    assert model_of() == "shoes"
    assert run("show").stdout.startswith("shoes@1")
    assert "commands use shoes;" in run("list").stderr
    assert model_of(model="fashion-mnist@0") == "fashion-mnist@0"
    monkeypatch.setenv("HANGTAG_MODEL", "shoes@1")
    assert model_of() == "shoes@1"
    assert msgspec.json.decode(run("use", "--json").stdout) == {
        "model": "shoes@1",
        "source": "HANGTAG_MODEL",
    }
    assert "HANGTAG_MODEL overrides fashion-mnist" in run("use", "fashion-mnist").stderr
    monkeypatch.delenv("HANGTAG_MODEL")
    assert model_of() == default_model(Settings.from_env()) == ""


def test_a_model_that_does_not_exist_is_not_chosen(shoes: Registry) -> None:
    for wrong, meant in (("shoe", "did you mean shoes?"), ("shoes@2", "no version shoes@2")):
        result = run("use", wrong)
        assert (result.exit_code, result.stdout) == (Exit.SETUP, "")
        assert meant in result.stderr
    assert choice(Settings.from_env()).model == "fashion-mnist"


@pytest.mark.parametrize("model", ["shoes", "shoes@1"])
def test_the_chosen_model_is_not_removed_while_another_overrides_it(
    shoes: Registry, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    assert run("use", "shoes@1").exit_code == Exit.OK
    monkeypatch.setenv("HANGTAG_MODEL", "fashion-mnist")
    refused = run("rm", model, "--yes")
    assert refused.exit_code == Exit.USAGE
    assert "hangtag models use MODEL" in refused.stderr
    assert shoes.versions("shoes") == [1]


def test_the_model_of_the_environment_is_not_removed(
    shoes: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_MODEL", "shoes")
    refused = run("rm", "shoes", "--yes")
    assert refused.exit_code == Exit.USAGE
    assert "HANGTAG_MODEL" in refused.stderr


def test_an_invalid_choice_names_where_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"^HANGTAG_MODEL: '\.\./x' does not name a model"):
        choice(Settings(model="../x"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "hangtag").mkdir()
    (tmp_path / "hangtag/model").write_bytes(b"\xff/etc/passwd\n" * 1000)
    with pytest.raises(UsageError, match=f"^{tmp_path}/hangtag/model: "):
        default_model(Settings.from_env())


def test_a_resumed_job_names_the_model_that_it_was_started_with() -> None:
    def job(model: str) -> JobOptions:
        return JobOptions((b"photos",), b"/", "/photos.csv", model=model)

    assert differences(job("shoes"), job("")) == ["--model fashion-mnist@production"]
    for same in ("fashion-mnist", "fashion-mnist@production"):
        assert differences(job(same), job("")) == []


@pytest.mark.parametrize("confidence", [0.2, 0.999], ids=["doubtful", "sure"])
def test_a_model_named_like_the_folder_is_proposed_first_and_not_used(
    shoes: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confidence: float
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = classified(tmp_path, "My Shoes", confidence)
    assert "--model" not in summary  # it is no model's name
    summary = classified(tmp_path, "Shoes", confidence)
    commands = re.findall(r"hangtag .*", summary)
    assert commands[0] == "hangtag classify -o Shoes.csv --model shoes --restart Shoes", summary
    assert "fashion-mnist@0 -> Shoes.csv" in summary
    assert "hangtag train" not in summary
    chosen = classified(tmp_path, "shoes", confidence, "--model", "fashion-mnist")
    assert "--model shoes" not in chosen


def classified(here: Path, folder: str, confidence: float, *model: str) -> str:
    """The summary of a finished job of 40 images, which all have this confidence."""
    (here / folder).mkdir()
    for number in range(40):
        (here / folder / f"{number}.png").write_bytes(b"image %d" % number)
    output = here / f"{folder}.csv"
    options = JobOptions(
        (folder.encode(),), os.fsencode(here), str(output), model=model[1] if model else ""
    )

    def answer(images: list[bytes | Status]) -> BatchResult:
        probabilities = struct.pack(f"<{len(images)}f", *[confidence] * len(images))
        return msgspec.structs.replace(answered(images), probabilities=probabilities)

    finish(options, answer=answer, job_id=f"testjb0{len(list(here.glob('*.csv')))}")
    command = ["classify", folder, "-o", output.name, *model]
    done = CliRunner().invoke(hangtag, command)
    assert done.exit_code == Exit.OK, done.output
    return done.stderr
