"""Photograph a report of the conformance kit: `python docs/conformance_figure.py`.

Writes docs/figures/conformance-report.png, 900 pixels wide at twice the density: the top of the
page for the reference in float32 with one line as it stands in RAdam's paper.  Needs chromium on
the path, or its name as an argument; the page alone, ``report.save("report.html")``, does not.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from paratrooper_ref.conformance import ReferenceBackend, check

FIGURE = Path(__file__).parent / "figures" / "conformance-report.png"
VARIANT = "radam.threshold_4"
WIDTH, HEIGHT = 900, 1710


def main() -> int:
    """Take the picture."""
    browser = shutil.which(sys.argv[1] if len(sys.argv) > 1 else "chromium")
    if browser is None:
        print("conformance_figure needs chromium, got none; name a browser", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        check(ReferenceBackend("float32", variant=VARIANT), "paratrooper").save(path)
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--no-first-run", f"--user-data-dir={folder}/profile",
                "--blink-settings=preferredColorScheme=1", "--force-device-scale-factor=2",
                f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={FIGURE}", path.as_uri(),
            ],
            check=True, stderr=subprocess.DEVNULL,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
