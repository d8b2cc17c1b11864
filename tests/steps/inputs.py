"""The inputs of a step as one digest: the files that git tracks, as they are on disk."""

from __future__ import annotations

import hashlib
import subprocess

from tests.steps.step import ROOT, Step

#: Written by the nightly run; no test reads it.
NIGHTLY_PAGE = "docs/nightly.md"


def digest(step: Step) -> str:
    """12 hexadecimal digits, which change with each file that the step depends on."""
    sums = hashlib.sha256(repr(step._replace(limit_s=0.0)).encode())
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
    """The files that git tracks there, without the nightly page."""
    listed = git("ls-files", "-z", "--", *patterns, f":!{NIGHTLY_PAGE}")
    return sorted(name for name in listed.split("\0") if name)
