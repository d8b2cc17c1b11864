"""`python -m tests.faults.apps.one_message_producer ARGUMENT...`: `hangtag` that sends all images
of a small job in one batch, however many processes there are."""

from __future__ import annotations

from producer.cli import main
from producer.run import batcher, window
from shared.messages.batch import MAX_BATCH_IMAGES

if __name__ == "__main__":
    window.FIRST_IMAGES = window.UNKNOWN_IMAGES_MAX = MAX_BATCH_IMAGES
    batcher.SMALL_IMAGES = MAX_BATCH_IMAGES
    main.main()
