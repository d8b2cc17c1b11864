"""Whether CI must run the compose tests: `python -m tests.compose.changed` prints yes or no.

They take minutes, so CI runs them only if an input that no other test exercises has changed since
the commit of the last nightly run that passed them. The reason goes to standard error. Like the
steps of CI, this uses only the standard library.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.steps import record
from tests.steps.step import ROOT

#: Inputs that only the compose tests exercise. Other tests run the product inside the images.
INPUTS = (
    "Dockerfile", ".dockerignore", "docker-compose.yml", "docker-compose.gpu.yml", ".env.example",
    "pyproject.toml", "constraints.txt",
    "deploy/make-secrets.sh", "deploy/redis",
    "producer/fleet/machine_resources.py",  # cores and memory of a container
    "worker/health.py", "worker/lifecycle/liveness_file.py",  # health checks
    "shared/broker/address.py",  # passwords from mounted files
    "tests/compose", "tests/support/deploy/compose_file.py",
)  # fmt: skip


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
    changed = (differs.stdout + new.stdout).split("\n")
    return f"changed since {last}: {changed[0]}" if changed[0] else ""


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)


if __name__ == "__main__":
    reason = reason_to_run()
    print(reason or "no input has changed", file=sys.stderr)
    print("yes" if reason else "no")
