"""`python -m worker.check_data`: checks a folder of class folders, without opening its files.

It reads a question and writes a verdict, as JSON (shared/messages/data_check.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from shared.errors import SetupError, UsageError
from shared.messages.data_check import DataQuestion, DataVerdict
from worker.datasets.class_folder import check_files, count_files
from worker.datasets.folder_layout import ClassFolderWalk
from worker.datasets.sample import check_index


def main() -> None:
    """Answer one question."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=DataQuestion)
    sys.stdout.buffer.write(msgspec.json.encode(verdict(question)))


def verdict(question: DataQuestion) -> DataVerdict:
    """The fault that a trainer would find before it opens a file."""
    try:
        walk = ClassFolderWalk(Path(question.folder))
        counts = count_files(walk, lambda done, total: None)
        if question.purpose == "show":
            check_index(question.index, sum(counts.values()))
        else:
            check_files(walk, counts, question.purpose == "train")
    except SetupError as error:
        return DataVerdict(str(error), isinstance(error, UsageError))
    return DataVerdict()


if __name__ == "__main__":
    main()
