"""What a step depends on, as one digest: the files that git tracks, as they are on disk."""

from __future__ import annotations

import hashlib
import subprocess

from tests.steps.step import ROOT, Step

#: The night writes it, and nothing is tested with it.
NOBODYS = "docs/nightly.md"


def digest(step: Step) -> str:
    """12 hexadecimal digits; others where a file that the step depends on has changed."""
    sums = hashlib.sha256(repr(step._replace(limit_s=0.0)).encode())
    for name in tracked(step.inputs):
        path = ROOT / name
        sums.update(name.encode() + b"\0")
        sums.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return sums.hexdigest()[:12]


def commit() -> str:
    """The commit that is checked out, with `+` behind it where files differ from it."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", f":!{NOBODYS}")
    return git("rev-parse", "--short=10", "HEAD").strip() + ("+" if changed else "")


def commits() -> int:
    """How many there are up to this one."""
    return int(git("rev-list", "--count", "HEAD"))


def git(*arguments: str) -> str:
    """What git answers in this checkout."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def tracked(patterns: tuple[str, ...]) -> list[str]:
    """The files that git tracks there, but for the night's own page."""
    listed = git("ls-files", "-z", "--", *patterns, f":!{NOBODYS}")
    return sorted(name for name in listed.split("\0") if name)
