"""A trial that is refused prints the command that requests the same training with more time."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.cli.models.train import train
from producer.cli.models.training_options import typed
from producer.models.train import make_work
from shared import recipes
from shared.messages.training import PRECISIONS, PROMOTE, Train, command
from shared.settings import Settings

#: Trials that have a limit of time.
LIMITED = [row.name for row in recipes.RECIPES.values() if row.minutes is not None]
shares = st.one_of(st.just(0.05), st.floats(0, 1))


@given(
    recipe=st.sampled_from(LIMITED),
    epochs=st.integers(0, 9),
    seed=st.integers(0, 2**31 - 1),
    promote=st.sampled_from(PROMOTE),
    weighted=st.booleans(),
    precision=st.sampled_from(PRECISIONS),
    max_unreadable=shares,
)
def test_the_command_requests_the_same_training(
    tmp_path_factory: pytest.TempPathFactory, **options: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "photos of 'cats'"
    folder.mkdir(exist_ok=True)
    work = Train("shapes", data=str(folder), minutes=13.0, **options)
    assert _requested(f"{command(work, but=['minutes'])} --minutes 13") == work


def test_options_with_their_defaults_are_left_out(tmp_path: Path) -> None:
    work = Train("shapes", "photo-fine", str(tmp_path))
    assert command(work) == f"hangtag train {tmp_path} --name shapes --recipe photo-fine"


def _requested(text: str) -> Train:
    program, name, *arguments = shlex.split(text)
    assert (program, name) == ("hangtag", "train")
    found = train.make_context(name, arguments).params
    given = found | {"data": found["folder"], "corrections": ""}
    return make_work(typed(given), Settings())
