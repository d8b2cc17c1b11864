"""`import hangtag`: light, typed, and only what its first module lists."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import hangtag

ROOT = Path(__file__).parents[3]
LIMIT_S = 0.05


def printed(program: str) -> list[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, capture_output=True, check=True, cwd=ROOT, text=True
    ).stdout.split()


def test_an_import_loads_nothing_else_and_takes_a_moment() -> None:
    seconds, *loaded = printed(
        "import sys, time; before, start = set(sys.modules), time.process_time(); import hangtag; "
        "print(time.process_time() - start, *set(sys.modules) - before)"
    )
    names = {name.partition(".")[0] for name in loaded}
    assert "hangtag" in loaded
    assert [name for name in loaded if name.startswith("hangtag.")] == []
    assert names - {"hangtag"} <= sys.stdlib_module_names
    assert float(seconds) < LIMIT_S


def test_the_functions_load_no_array_package_no_runtime_and_no_command_line() -> None:
    loaded = printed(
        "import sys, hangtag; [getattr(hangtag, name) for name in hangtag.__all__]; "
        "print(*sys.modules)"
    )
    never = {"numpy", "tensorflow", "keras", "pandas", "pyarrow", "PIL", "IPython", "worker"}
    assert {name.partition(".")[0] for name in loaded} & never == set()
    assert [name for name in loaded if name.startswith("producer.cli")] == []


def test_every_listed_name_is_there_and_typed() -> None:
    tree = ast.parse((ROOT / "hangtag/__init__.py").read_text())
    guards = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.name
        for node in ast.walk(guards[0])
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == set(hangtag.__all__) == set(dir(hangtag))
    assert all(getattr(hangtag, name) is not None for name in hangtag.__all__)
    for package in ("hangtag", "producer", "shared"):  # its types are theirs, too
        assert (ROOT / package / "py.typed").exists()
