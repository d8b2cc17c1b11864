"""`python -m producer.cli`: the command `hangtag` where its script is not on the path."""

from __future__ import annotations

from producer.cli.main import main

main()
