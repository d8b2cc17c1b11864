"""What a job writes: its table and the files beside it, which no walk takes for images.

A folder that is classified may have the table in it, and `--glob '*'` matches every name.
"""

from __future__ import annotations

import os
import re

#: The ends of their names after that of the table. The journal with its log and the files of
#: SQLite (producer/journal/journal.py); the rows so far (producer/output/output_path.py), the
#: folders that files were sorted into (producer/locations/sorted_into.py) and a person's labels
#: (shared/labels/labels_file.py), each also with its draft.
_ENDINGS = rb"(\.hangtag.*|\.(part|sorted|corrections\.jsonl)(\.part|\.hangtag-draft)?)?"


class OwnFiles:
    """The files of the job with this output."""

    def __init__(self, output: str) -> None:
        """Without a folder in the path there are none: nothing is written."""
        self._folder, name = os.path.split(os.fsencode(output))
        pattern = re.escape(name) + _ENDINGS if self._folder else rb"(?!)"
        self._matches = re.compile(pattern, re.DOTALL).fullmatch

    def may_hold(self, name: bytes) -> bool:
        """Whether a file of this name is one, if it lies in the folder of the output. Cheap."""
        return self._matches(name) is not None

    def lies_beside(self, real: bytes) -> bool:
        """Whether this file lies in the folder of the output, however either was typed."""
        try:
            return os.path.samefile(os.path.dirname(real), self._folder)
        except OSError:
            return False
