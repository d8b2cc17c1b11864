"""`python -m tests.browser.screenshots`: renews the screenshots of docs/report.md and of
docs/python.md, of the demo's table (`make demo`)."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import hangtag
from tests.browser.conftest import ARGUMENTS, CHROMIUM

TABLE, PAGE = Path("demo/results.csv"), Path("demo/results.html")
FOLDER = Path("docs/images")
SIZE = {"width": 1180, "height": 760}
QUALITY = 60  #: of a JPEG, for photos
COLOURS = 96  #: a palette takes a third of the bytes, without a visible difference


def main() -> None:
    """Write the report of the demo's table, and draw three parts of it."""
    if CHROMIUM is None or not TABLE.exists():
        sys.exit("install Chromium as root: apt-get install chromium; and run: make demo")
    subprocess.run(["hangtag", "report", str(TABLE), "--force"], check=True)
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for dark in (False, True):
            context = browser.new_context(
                viewport=SIZE,  # type: ignore[arg-type]
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(PAGE.absolute().as_uri())
            if dark:
                page.locator("#pictures").evaluate("node => node.scrollIntoView()")
                draw(page, FOLDER / "report-pictures.png")
            else:
                draw(page, FOLDER / "report-overview.png")
                page.locator("#folders").evaluate("node => node.scrollIntoView()")
                draw(page, FOLDER / "report-confusions.png")
            context.close()
        page = browser.new_page(viewport={"width": 980, "height": 525})
        page.set_content(f"<body>{hangtag.open_table(TABLE)._repr_html_()}</body>")
        draw(page, FOLDER / "notebook.png")
        browser.close()


def draw(page: Page, path: Path) -> None:
    """Write what is in view."""
    page.wait_for_timeout(300)  # pictures are decoded when they are in view
    with Image.open(io.BytesIO(page.screenshot())) as drawn:
        small = drawn.convert("RGB")
    if path.suffix == ".png":
        small = small.quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True, quality=QUALITY)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
