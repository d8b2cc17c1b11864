"""The model of commands that name none: HANGTAG_MODEL, `models use`, the one that ships."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.jobs import make_options
from producer.cli.main import hangtag
from producer.versions.default_model import choice, default_model
from shared.errors import UsageError
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings

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
