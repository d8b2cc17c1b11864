"""Whether CI must run the compose tests: `python -m tests.compose.changed` prints yes or no.

They take minutes, so CI runs them only if an input that no other test exercises has changed since
the commit of the last nightly run that passed them. The reason goes to standard error. Like the
steps of CI, this uses only the standard library.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.steps import record
from tests.steps.step import ROOT

#: Inputs that only the compose tests exercise. Other tests run the product inside the images.
INPUTS = (
    "Dockerfile", ".dockerignore", "docker-compose.yml", "docker-compose.gpu.yml", ".env.example",
    "constraints.txt",
    "deploy/make-secrets.sh", "deploy/redis",
    "producer/fleet/machine_resources.py",  # cores and memory of a container
    "worker/health.py", "worker/lifecycle/liveness_file.py",  # health checks
    "shared/broker/address.py",  # passwords from mounted files
    "tests/compose", "tests/support/deploy/compose_file.py",
)  # fmt: skip
#: Of this file only what an installation reads: an image has no layers and no linter.
PROJECT = "pyproject.toml"


def reason_to_run(root: Path = ROOT, page: Path = record.PAGE) -> str:
    """The reason to run the tests; empty if there is none."""
    last = record.commit_of("compose", page)
    if not last:
        return f"{page.name} has no commit at which they passed"
    if _git(root, "cat-file", "-e", f"{last}^{{commit}}").returncode:
        return f"the commit {last} is not in this clone"
    differs = _git(root, "diff", "--name-only", last, "--", *INPUTS)
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", *INPUTS)
    if failed := differs.stderr + new.stderr:
        return f"git failed: {failed.strip()}"
    changed = (differs.stdout + new.stdout).split("\n")[0]
    if not changed and _installed(_at(root, last)) != _installed(_read(root)):
        changed = PROJECT
    return f"changed since {last}: {changed}" if changed else ""


def _at(root: Path, commit: str) -> str:
    """The project file at a commit; empty without one."""
    return _git(root, "show", f"{commit}:{PROJECT}").stdout


def _read(root: Path) -> str:
    path = root / PROJECT
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _installed(text: str) -> list[object]:
    """What an installation reads of a project file."""
    tables = tomllib.loads(text)
    return [
        tables.get("build-system"),
        tables.get("project"),
        tables.get("tool", {}).get("hatch"),
    ]


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)


if __name__ == "__main__":
    reason = reason_to_run()
    print(reason or "no input has changed", file=sys.stderr)
    print("yes" if reason else "no")
