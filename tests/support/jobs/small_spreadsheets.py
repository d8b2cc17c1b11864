"""`python -m tests.support.jobs.small_spreadsheets ROWS ...`: hangtag with smaller spreadsheets."""

from __future__ import annotations

import sys

from producer.cli.main import main
from producer.formats.table_formats import FORMATS

if __name__ == "__main__":
    FORMATS["xlsx"] = FORMATS["xlsx"]._replace(rows_max=int(sys.argv.pop(1)))
    main()
