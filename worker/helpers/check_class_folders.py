"""`python -m worker.helpers.check_class_folders`: checks class folders, before it decodes an image.

It gets a question and sends a verdict (shared/messages/helpers.py). With corrections it
hashes the files whose size occurs in one.
"""

from __future__ import annotations

from shared import process
from shared.errors import SetupError, UsageError
from shared.labels.submitted_lines import decode_input, input_sha256, labelled
from shared.messages.framing import orders, reply
from shared.messages.helpers import FoldersQuestion, FoldersVerdict
from worker.datasets.class_folder import check_files, count_files, without_empty
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.find_images import check_index


def main() -> None:
    """Serve until the input ends."""
    process.skip_last_search()
    for question in orders(FoldersQuestion):
        reply(verdict(question))


def verdict(question: FoldersQuestion) -> FoldersVerdict:
    """The fault that a trainer would find before it decodes an image."""
    data = question.corrections
    corrections = labelled(decode_input(data, input_sha256(data)))
    try:
        walk = LabelledData(question.folder, corrections, question.labelled_only).walk()
        counts = without_empty(walk, count_files(walk, _ignored), _ignored)
        if question.purpose == "show":
            check_index(question.index, sum(counts.values()))
        else:
            check_files(walk, counts, question.purpose == "train")
    except SetupError as error:
        return FoldersVerdict(str(error), isinstance(error, UsageError))
    return FoldersVerdict()


def _ignored(done: int, total: int) -> None:
    """Nothing is displayed."""


if __name__ == "__main__":
    main()
