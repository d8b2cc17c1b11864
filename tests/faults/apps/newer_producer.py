"""`python -m tests.faults.apps.newer_producer ARGUMENT...`: `hangtag` of a later version.

Its jobs need workers of that version.
"""

from __future__ import annotations

from functools import partial

from tests.support.jobs.newer_record import NewerRecord, newer

if __name__ == "__main__":
    with newer():
        from producer.cli import main
        from producer.jobs import pin

        vars(pin)["JobRecord"] = partial(NewerRecord, columns=("hue",))
        main.main()
