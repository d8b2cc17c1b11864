"""Which of the environments that commands came from a stack runs in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.machine import desired_state, lock, stack
from producer.machine.desired_state import Desired, Environment, chosen, own_environment
from shared import installation
from shared.broker.runtime_paths import SUPERVISOR_LOCK, private_stack_dir
from shared.errors import SetupError
from shared.messages.requests import ImportNetwork, Promote
from shared.messages.training import Train
from shared.settings import Settings

OTHER = b"/bin/sh"  #: an interpreter that exists
ONNX = ImportNetwork("mine", "onnx", "0" * 64)


@pytest.fixture(autouse=True)
def _packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """This environment has what a training needs."""
    monkeypatch.setattr(installation, "present", lambda: frozenset({"keras", "numpy"}))


def other(*packages: str, python: bytes = OTHER) -> Environment:
    return Environment(python, b"", frozenset(packages))


@pytest.mark.parametrize(
    ("packages", "running", "stays"),
    [
        (["keras", "numpy", "onnx"], False, True),
        (["keras", "numpy"], True, True),
        (["keras"], True, False),
        (["keras"], False, False),
        (["keras", "onnx"], True, True),
        (["keras", "onnx"], False, False),
    ],
)
def test_the_one_with_all_packages_is_chosen_or_the_one_that_runs(
    packages: list[str], running: bool, stays: bool
) -> None:
    recorded = other(*packages)
    assert chosen(recorded, running) == (recorded if stays else own_environment())


def test_one_that_was_removed_or_has_changed_is_not_chosen() -> None:
    gone = other("keras", "numpy", "onnx", python=b"/nonexistent/python")
    before = other("keras", "numpy", "onnx", python=own_environment().python)
    for recorded in (None, gone, before):
        assert chosen(recorded, running=True) == own_environment()


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A stack that runs in an environment for ONNX."""
    with tempfile.TemporaryDirectory(prefix="ht-") as folder:  # short, for the path of a socket
        made = Settings(runtime_dir=folder, store=os.path.join(folder, "store"))
        place = private_stack_dir(made)
        here = {"numpy", "ai_edge_litert", "PIL", "pi_heif", "onnx", "onnxruntime"}
        desired_state.save(place, Desired(environment=other(*here)))
        with lock.locked(Path(place, SUPERVISOR_LOCK), 0):
            yield made


def test_if_neither_has_all_packages_the_line_names_those_of_each(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "absent", {"onnx"}.intersection)
    stack.check_can(settings, ONNX)
    stack.check_can(settings, Promote("mine@2"))
    with pytest.raises(SetupError) as error:
        stack.check_can(settings, Train("mine", "fast"))
    assert str(error.value).startswith(
        "this machine's stack runs in /bin/sh, which lacks keras, matplotlib, tensorflow, and in "
        "this environment onnx is missing; add it with: "
    )
    assert str(error.value).endswith("; or stop that stack with: hangtag down")
