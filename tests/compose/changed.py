"""Whether CI must run the compose tests: `python -m tests.compose.changed` prints yes or no.

They take minutes, so CI runs them only when something that no other test runs has changed since
the commit that the last nightly run passed them at. The reason goes to standard error. Like the
steps of CI, this needs nothing but the standard library.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.steps import record
from tests.steps.step import ROOT

#: What only the compose tests exercise. The rest of an image is the product, which other tests run.
INPUTS = (
    "Dockerfile", ".dockerignore", "docker-compose.yml", "docker-compose.gpu.yml", ".env.example",
    "pyproject.toml", "constraints.txt",
    "deploy/make-secrets.sh", "deploy/redis",
    "producer/fleet/machine.py",  # cores and memory of a container
    "worker/health.py", "worker/lifecycle/liveness_file.py",  # health checks
    "shared/broker/address.py",  # passwords from mounted files
    "tests/compose", "tests/support/deploy/compose_file.py",
)  # fmt: skip


def reason_to_run(root: Path = ROOT, page: Path = record.PAGE) -> str:
    """Why the tests must run; empty if they need not."""
    last = record.commit_of("compose", page)
    if not last:
        return f"{page.name} names no commit at which they passed"
    if _git(root, "cat-file", "-e", f"{last}^{{commit}}").returncode:
        return f"the commit {last} is not in this clone"
    differs = _git(root, "diff", "--name-only", last, "--", *INPUTS)
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", *INPUTS)
    if failed := differs.stderr + new.stderr:
        return f"git fails: {failed.strip()}"
    changed = (differs.stdout + new.stdout).split("\n")
    return f"changed since {last}: {changed[0]}" if changed[0] else ""


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)


if __name__ == "__main__":
    reason = reason_to_run()
    print(reason or "no input has changed", file=sys.stderr)
    print("yes" if reason else "no")
