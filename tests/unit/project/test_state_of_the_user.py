"""No test writes to the state of the user who runs the tests, whatever its fixtures' scope."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from producer.journal import job_index
from shared.settings import Settings
from tests.support.servers.redis_server import TEMP_DIR


def _folders() -> tuple[Path, ...]:
    """Where jobs are listed, models are stored, and a stack runs."""
    return (
        job_index.index_dir(),
        Settings.from_env().store_path,
        Path(os.environ["XDG_RUNTIME_DIR"]),
    )


@pytest.fixture(scope="session")
def of_a_session() -> tuple[Path, ...]:
    return _folders()


@pytest.fixture(scope="module")
def of_a_module() -> tuple[Path, ...]:
    return _folders()


def test_every_fixture_has_a_temporary_state(
    of_a_session: tuple[Path, ...], of_a_module: tuple[Path, ...]
) -> None:
    temporary = Path(TEMP_DIR or tempfile.gettempdir())
    for folder in (*of_a_session, *of_a_module, *_folders()):
        assert folder.is_relative_to(temporary), folder
