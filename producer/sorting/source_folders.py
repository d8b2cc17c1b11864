"""The folders that the files of a job come from, and the path of each file."""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from producer.inputs.job_options import JobOptions
from producer.sources.local.reader import FileReader
from producer.sources.source_table import is_address, path_of_address


class SourceFolders(msgspec.Struct, frozen=True):
    """Where files may be put back: at any depth below `trees`, and directly in `folders`.

    All are absolute, without symbolic links when they were recorded.
    """

    trees: frozenset[bytes] = frozenset()  #: without a slash at the end
    folders: frozenset[bytes] = frozenset()

    def has(self, path: bytes) -> bool:
        """Whether a file of this path may be put back."""
        folder = path.rpartition(b"/")[0]
        return folder in self.folders or any(path.startswith(tree + b"/") for tree in self.trees)

    def __or__(self, other: SourceFolders) -> SourceFolders:
        return SourceFolders(self.trees | other.trees, self.folders | other.folders)


class Sources:
    """The files of a job's rows. Symbolic links are resolved where the user typed a path, and not
    below a typed folder, where the walk follows none."""

    def __init__(self, options: JobOptions) -> None:
        self._files = FileReader(options.cwd)
        self._roots = [
            (typed.rstrip(b"/") + b"/", self._real(typed).rstrip(b"/") + b"/")
            for typed in options.roots
            if os.path.isdir(self._files.local_path(typed))  # each row is compared with all
        ]
        self._last = (b"", b"")  # a folder as typed, and resolved
        self._folders: set[bytes] = set()

    def path(self, name: bytes) -> bytes:
        """The absolute path of a row's file; of an address one that no file has."""
        if is_address(name, self._files.local_path(name)):
            path = path_of_address(name)
            self._folders.add(path.rpartition(b"/")[0])
            return path
        for typed, real in self._roots:
            if name.startswith(typed):
                return real + name[len(typed) :]
        folder, _, file = name.rpartition(b"/")
        if self._last[0] != folder or not self._last[1]:
            self._last = folder, self._real(folder or (b"/" if name.startswith(b"/") else b"."))
            self._folders.add(self._last[1].rstrip(b"/"))
        return self._last[1].rstrip(b"/") + b"/" + file

    def add(self, names: Iterable[bytes]) -> None:
        """Count the folders of rows among `folders`."""
        for name in names:
            self.path(name)

    @property
    def folders(self) -> SourceFolders:
        """The folders that were typed, and those of rows that are not below one."""
        trees = {real.rstrip(b"/") for _, real in self._roots}
        return SourceFolders(frozenset(trees), frozenset(self._folders))

    def _real(self, path: bytes) -> bytes:
        return os.path.realpath(self._files.local_path(path))
