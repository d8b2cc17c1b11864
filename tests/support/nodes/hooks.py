"""Hooks of pytest-xdist, which may be absent."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """The test processes are copies of one that has collected the tests."""
    from tests.support.nodes import controller

    controller.start_source(config, specs)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_getremotemodule() -> ModuleType:
    from tests.support.nodes import remote

    return remote


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """`--dist loadscope` runs a module in one process, in the order of tests/conftest.py."""
    from tests.support.nodes.module_parts import ModuleParts

    return ModuleParts(config, log, {}) if config.getvalue("dist") == "loadscope" else None
