"""`import hangtag`: light, typed, and only what its first module lists."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import hangtag
from producer.job.job_options import JobOptions
from shared.options import defaults_of, options_of

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


def test_python_takes_each_option_of_a_job_with_the_default_of_the_command() -> None:
    taken = {
        name: parameter.default or None
        for name, parameter in inspect.signature(hangtag.classify).parameters.items()
    }
    other = {"images", "output", "progress", "stop"}
    options = options_of(JobOptions).keys() - {"list_file"}  # `images` may be any
    assert taken.keys() - other == options
    unlimited = {"max_failures": None}
    expected = {name: defaults_of(JobOptions)[name] or None for name in options} | unlimited
    assert {name: taken[name] for name in options} == expected
