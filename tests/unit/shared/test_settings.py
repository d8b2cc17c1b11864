"""Settings come from the environment; an invalid one is an error that names its variable."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SetupError
from shared.settings import PREFIX, Settings

DEFAULTS = msgspec.structs.asdict(Settings())
NUMBERS = [name for name, value in DEFAULTS.items() if isinstance(value, (int, float))]
TEXTS = [name for name, value in DEFAULTS.items() if isinstance(value, str)]


def read(name: str, text: str) -> object:
    return getattr(Settings.from_env({PREFIX + name.upper(): text}), name)


@given(
    st.fixed_dictionaries(
        dict.fromkeys(NUMBERS, st.integers(1, 10**6)) | dict.fromkeys(TEXTS, st.text(min_size=1))
    )
)
def test_every_number_and_every_path_can_be_set(chosen: dict[str, int | str]) -> None:
    variables = {PREFIX + name.upper(): str(value) for name, value in chosen.items()}
    found = msgspec.structs.asdict(Settings.from_env(variables))
    assert found == chosen
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in DEFAULTS.items()
    }


@pytest.mark.parametrize("text", ["five", "0", "-1", "nan", "inf", "1,5", "0x10", " "])
def test_an_invalid_number_is_refused_with_the_variable(text: str) -> None:
    for name in NUMBERS:
        with pytest.raises(SetupError, match=PREFIX + name.upper()) as error:
            read(name, text)
        assert str(error.value).isprintable()


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6))
def test_a_claim_outlives_the_work_on_its_batch(batch: float, careful: float) -> None:
    settings = Settings(batch_limit_s=batch, careful_limit_s=careful)
    assert settings.claim_limit_s > max(batch, careful)


def test_the_store_is_in_the_users_data_folder_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings(store="/models").store_path == Path("/models")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Settings().store_path == Path("/data/hangtag/models")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert Settings().store_path == Path("/home/me/.local/share/hangtag/models")
