"""What CI runs, and what the night runs."""

from __future__ import annotations

from tests.steps import inputs
from tests.steps.step import Step

#: What nearly every test depends on.
PRODUCT = ("producer", "worker", "shared", "pyproject.toml", "constraints.txt", "Makefile")
HELPERS = ("tests/*.py",)
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
ORDINARY = ("tests/unit", "tests/fuzz", "tests/integration", "tests/end_to_end", "tests/nemesis",
            "tests/steps", "tests/compose")  # fmt: skip
EVERYTHING = (*PRODUCT, *HELPERS, *PAGES, *ORDINARY)
FAULTS = (*PRODUCT, *HELPERS, "tests/faults", "tests/nemesis")
THIRDS = 3
BOTH = ("SERVERS=both", "MARKED=")


def ci() -> list[Step]:
    """A third of the crash points, one server for each test."""
    third = f"THIRD={inputs.commits() % THIRDS}"
    return [
        Step("check", "check", EVERYTHING, limit_s=600),
        Step("test", "test", EVERYTHING, limit_s=1800),
        Step("faults", "test-faults", FAULTS, (third,), limit_s=2400),
    ]


def compose() -> Step:
    """In CI only where what it tests has changed."""
    return Step("compose", "test-compose", (*PRODUCT, "tests/compose", "deploy", "Dockerfile",
                "docker-compose*.yml", ".env.example", ".dockerignore"))  # fmt: skip


def nightly() -> list[Step]:
    """Everything, the quickest to fail first."""
    return [
        Step("check", "check", EVERYTHING),
        Step("test", "test", EVERYTHING, BOTH),
        Step("points", "test-points", FAULTS, BOTH),
        Step("faults", "test-faults-other", FAULTS, BOTH),
        Step("histories", "test-ledger", (*PRODUCT, *HELPERS, "tests/integration"), ("MARKED=",)),
        Step("slow", "test-slow", (*FAULTS, "tests/slow"), ("MARKED=",)),
        compose(),
        Step("fuzz", "fuzz", (*PRODUCT, "tests/fuzz"), ("MINUTES=15",)),
        Step("soak", "soak", FAULTS, ("MINUTES=15",)),
        Step("python-3.13", "test-unit", EVERYTHING, ("PYTHON=python3.13", "VENV=.venv-3.13")),
        Step("demo", "demo", PRODUCT),
        Step("bench", "bench-smoke", (*PRODUCT, "benchmarks")),
    ]
