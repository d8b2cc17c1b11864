"""The path of each file of a job."""

from __future__ import annotations

import os

from producer.inputs.job_options import JobOptions
from producer.sources.reader import FileReader
from producer.sources.source_table import is_address, path_of_address


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

    def path(self, name: bytes) -> bytes:
        """The absolute path of a row's file; of an address one that no file has."""
        if is_address(name, self._files.local_path(name)):
            return path_of_address(name)
        for typed, real in self._roots:
            if name.startswith(typed):
                return real + name[len(typed) :]
        folder, _, file = name.rpartition(b"/")
        if self._last[0] != folder or not self._last[1]:
            self._last = folder, self._real(folder or (b"/" if name.startswith(b"/") else b"."))
        return self._last[1].rstrip(b"/") + b"/" + file

    def has(self, folder: bytes) -> bool:
        """Whether a folder was typed, or is below one that was."""
        return any((folder + b"/").startswith(real) for _, real in self._roots)

    def _real(self, path: bytes) -> bytes:
        return os.path.realpath(self._files.local_path(path))
