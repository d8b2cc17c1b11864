"""The steps of CI and of the nightly run."""

from __future__ import annotations

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
    "CITATION.cff",
    ".github",
    ".pre-commit-config.yaml",
)
ORDINARY = ("tests/unit", "tests/fuzz", "tests/integration", "tests/end_to_end", "tests/browser",
            "tests/nemesis", "tests/steps", "tests/mutants", "tests/compose", "tests/old_data",
            "tests/faults")  # fmt: skip
EVERYTHING = (*PRODUCT, *HELPERS, *PAGES, *ORDINARY)
#: Programs of these tests, which others start, too.
APPS = ("tests/faults/conftest.py", "tests/faults/apps")
POINTS = (*PRODUCT, *HELPERS, "tests/faults")
FAULTS = (*POINTS, "tests/nemesis")
SOAK = (*PRODUCT, *HELPERS, *APPS, "tests/nemesis")
GUARDS = (*PRODUCT, *HELPERS, *APPS, "tests/faults/producer", "tests/faults/storage",
          "tests/unit", "tests/integration", "tests/mutants")  # fmt: skip
COMPOSE = (*PRODUCT, "Dockerfile", ".dockerignore", "docker-compose*.yml", ".env.example",
           "deploy/make-secrets.sh", "deploy/redis", "tests/compose",
           "tests/support/deploy/compose_file.py")  # fmt: skip
PACKAGES = (*PRODUCT, "LICENSE", "NOTICE", "licenses", "tests/packages")
LEDGERS = ("producer", "shared", *HELPERS, "tests/mutants", "tests/integration/state_machines")
#: The packages of the guards, in steps of half an hour.
GUARDED = (
    "people sorting doctor",
    "registry requests journal learning",
    "dispatch updating table",
    "sources archives addresses decoding",
)
#: With all files on a disk.
BOTH = ("SERVERS=both", "MARKED=", "TEMPORARY=/tmp")
SOAK_MINUTES = 30
#: Elsewhere tests have one thread of NumPy and TensorFlow: tests/conftest.py.
THREADS = tuple(
    f"{library}_THREADS=2" for library in ("OPENBLAS_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
)


def ci() -> list[Step]:
    """A sixth of the crash points, a share of the guards, one server for each test."""
    share = f"SHARE={inputs.commits()}"
    return [
        Step("check", "check", EVERYTHING, limit_s=600, tests=False),
        Step("test", "test", EVERYTHING, limit_s=1800),
        Step("faults", "test-faults", FAULTS, (share,), limit_s=2400),
        Step("guards", "test-guards", GUARDS, (share,), limit_s=600, tests=False),
    ]


def nightly() -> list[Step]:
    """Everything; the steps that fail soonest come first, beside them those that mostly wait."""
    thorough = (*BOTH, "HYPOTHESIS_PROFILE=thorough")
    points, others = ("SERVERS=both",), ("SERVERS=both", "MARKED=not points and not minutes")
    fuzz, soak = ("MINUTES=15",), (f"MINUTES={SOAK_MINUTES}",)
    return [
        Step("check", "check", (*EVERYTHING, "tests"), tests=False),
        *(slow(server) for server in ("valkey", "redis")),
        Step("soak", "soak", SOAK, soak, tests=False, about_s=60 * SOAK_MINUTES + 90, waits=True),
        Step("test", "test", EVERYTHING, thorough, about_s=900),
        Step("points", "test-points", POINTS, points, limit_s=5400, about_s=900),
        Step("faults", "test-faults", FAULTS, others, limit_s=5400, about_s=1100),
        Step("histories", "test-ledger", LEDGERS, ("SERVERS=both",), limit_s=5400, about_s=700),
        *(guards(number, names) for number, names in enumerate(GUARDED, 1)),
        Step("compose", "test-compose", COMPOSE, about_s=300),
        Step("fuzz", "fuzz", (*PRODUCT, "tests/fuzz"), fuzz, about_s=950),
        python("3.13", "test-python"),
        python("3.12", "test-unit"),
        Step("demo", "demo-clone", PRODUCT, tests=False, about_s=150),
        Step("packages", "packages", PACKAGES, tests=False, about_s=600),
        Step("bench", "bench-smoke", (*PRODUCT, *HELPERS, "benchmarks"), tests=False),
    ]


def guards(number: int, names: str) -> Step:
    """The guards of some packages."""
    variables = (f"GUARDS={names}",)
    return Step(f"guards-{number}", "test-guards", GUARDS, variables, tests=False, about_s=1500)


def slow(server: str) -> Step:
    """Faults of minutes on one of the servers."""
    variables = ("MARKED=minutes", f"SERVERS={server}")
    return Step(f"slow-{server}", "test-slow", POINTS, variables, about_s=750, waits=True)


def python(version: str, target: str) -> Step:
    """The tests of a target on another Python."""
    name = f"python{version}"
    variables = (f"PYTHON={name}", f"VENV=.venv-{version}", *THREADS)
    return Step(f"python-{version}", target, EVERYTHING, variables, about_s=600, needs=name)
