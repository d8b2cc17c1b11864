"""The steps of CI and of the nightly run."""

from __future__ import annotations

from tests.compose import changed
from tests.steps import inputs
from tests.steps.step import Step

#: Inputs of nearly every test.
PRODUCT = (
    *("hangtag", "producer", "worker", "shared"),
    *("pyproject.toml", "constraints.txt", "Makefile"),
)
HELPERS = ("tests/conftest.py", "tests/support")
#: Pages and manifests that unit tests read.
PAGES = (
    "*.md",
    "docs",
    "deploy",
    "benchmarks",
    "Dockerfile",
    "docker-compose*.yml",
    ".env.example",
)
ORDINARY = ("tests/unit", "tests/fuzz", "tests/integration", "tests/end_to_end", "tests/browser",
            "tests/nemesis", "tests/steps", "tests/mutants", "tests/compose")  # fmt: skip
EVERYTHING = (*PRODUCT, *HELPERS, *PAGES, *ORDINARY)
FAULTS = (*PRODUCT, *HELPERS, "tests/faults", "tests/nemesis")
GUARDS = (*FAULTS, "tests/unit", "tests/integration", "tests/mutants")
LEDGERS = ("producer", "shared", *HELPERS, "tests/mutants", "tests/integration/state_machines")
THIRDS = 3
#: With all files on a disk.
BOTH = ("SERVERS=both", "MARKED=", "TEMPORARY=/tmp")
PYTHON_3_13 = ("PYTHON=python3.13", "VENV=.venv-3.13")
#: Elsewhere tests have one thread of NumPy and TensorFlow: tests/conftest.py.
THREADS = tuple(
    f"{library}_THREADS=2" for library in ("OPENBLAS_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
)


def ci() -> list[Step]:
    """A third of the crash points, a share of the guards, one server for each test."""
    third = f"THIRD={inputs.commits() % THIRDS}"
    share = f"SHARE={inputs.commits()}"
    return [
        Step("check", "check", EVERYTHING, limit_s=600, tests=False),
        Step("test", "test", EVERYTHING, limit_s=1800),
        Step("faults", "test-faults", FAULTS, (third,), limit_s=2400),
        Step("guards", "test-guards", GUARDS, (share,), limit_s=600, tests=False),
    ]


def compose() -> Step:
    """CI runs it only if its inputs have changed."""
    return Step("compose", "test-compose", changed.INPUTS)


def nightly() -> list[Step]:
    """Everything; the steps that fail soonest come first."""
    return [
        Step("check", "check", EVERYTHING, tests=False),
        Step("test", "test", EVERYTHING, (*BOTH, "HYPOTHESIS_PROFILE=thorough")),
        Step("points", "test-points", FAULTS, ("SERVERS=both",), limit_s=5400),
        Step("faults", "test-faults", FAULTS, ("SERVERS=both", "MARKED=not points"), limit_s=5400),
        Step("histories", "test-ledger", LEDGERS, ("SERVERS=both",), limit_s=5400),
        Step("guards", "test-guards", GUARDS, limit_s=3600, tests=False),
        Step("slow", "test-slow", (*FAULTS, "tests/slow"), ("MARKED=",)),
        compose(),
        Step("fuzz", "fuzz", (*PRODUCT, "tests/fuzz"), ("MINUTES=15",), tests=False),
        Step("soak", "soak", FAULTS, ("MINUTES=15",), tests=False),
        Step("python-3.13", "test-unit", EVERYTHING, (*PYTHON_3_13, *THREADS)),
        Step("demo", "demo", PRODUCT, tests=False),
        Step("bench", "bench-smoke", (*PRODUCT, *HELPERS, "benchmarks"), tests=False),
    ]
