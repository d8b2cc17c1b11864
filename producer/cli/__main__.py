"""The command `hangtag`, also as `python -m producer.cli` where its script is not on the path."""

from __future__ import annotations

from producer.cli import ctrl_c

ctrl_c.handle()  # before the imports, which take most of a short command's time


def main() -> None:
    """The console script."""
    from producer.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
