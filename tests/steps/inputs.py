"""The inputs of a step as one digest: the files that git tracks, as they are on disk."""

from __future__ import annotations

import hashlib
import subprocess

from tests.steps.step import ROOT, Step

#: Written by the nightly run.
NIGHTLY_PAGE = "docs/nightly.md"
#: No result of the night depends on these; `make release-check` and CI read the second one.
ASIDE = (NIGHTLY_PAGE, "CHANGELOG.md")


def digest(step: Step) -> str:
    """12 hexadecimal digits, which change with each file that the step depends on."""
    sums = hashlib.sha256(repr((step.name, step.target, step.inputs, step.variables)).encode())
    for name in tracked(step.inputs):
        path = ROOT / name
        sums.update(name.encode() + b"\0")
        sums.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return sums.hexdigest()[:12]


def commit() -> str:
    """The checked-out commit, with `+` appended if files differ from it."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", f":!{NIGHTLY_PAGE}")
    return git("rev-parse", "--short=10", "HEAD").strip() + ("+" if changed else "")


def commits() -> int:
    """The number of commits up to HEAD."""
    return int(git("rev-list", "--count", "HEAD"))


def git(*arguments: str) -> str:
    """The output of a git command in this checkout."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def tracked(patterns: tuple[str, ...]) -> list[str]:
    """The files that git tracks there, but for those aside."""
    listed = git("ls-files", "-z", "--", *patterns, *(f":!{name}" for name in ASIDE))
    return sorted(name for name in listed.split("\0") if name)
