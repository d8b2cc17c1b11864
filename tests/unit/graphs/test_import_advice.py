"""What `models import` advises for a file of another format is true for that format."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag

#: A statement of the advice.
CODE = re.compile(r"model = keras\.\S+\)|model\.save\(\S+\)")


def advice(file: str) -> str:
    arguments = ["models", "import", file, "--labels", "labels", "--name", "x"]
    result = CliRunner().invoke(hangtag, arguments)
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_hdf5_file_becomes_one_that_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save("model.h5")
    for statement in CODE.findall(advice("model.h5")):
        exec(statement, globals())
    assert keras.models.load_model("model.keras").output_shape == (None, 2)


@pytest.mark.parametrize("ending", [".pb"])
def test_a_file_without_a_network_of_keras_is_not_to_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"model{ending}").touch()
    assert "no Keras network" in advice(f"model{ending}")
    assert "load_model" not in advice(f"model{ending}")
