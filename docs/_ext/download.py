"""The block ``project``: a link to the folder of the project, packed when the site is built.

Who reads the site needs that folder for all that the pages tell them to type; so the site has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).resolve().parents[2]
NAME: Final = "paratrooper-ref"
WHAT: Final = (  # what a source distribution has
    "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.cfg",
    "docs", "paratrooper_ref", "problems", "tests",
)
LEFT_OUT: Final = re.compile(r"^(\..*|__pycache__|_build|.*\.py[cod])$")
BLOCK: Final = re.compile(r"^```\{project\}\n```$", re.MULTILINE)


def packed(target: Path) -> Path:
    """Write the project's files as a zip, to the same bytes each time, and return its path."""
    with ZipFile(target, "w") as pack:
        for name in WHAT:
            for path in below(ROOT / name):
                inside = ZipInfo(f"{NAME}/{path.relative_to(ROOT).as_posix()}")
                inside.compress_type, inside.external_attr = ZIP_DEFLATED, 0o644 << 16
                pack.writestr(inside, path.read_bytes())
    return target


def below(path: Path) -> Iterator[Path]:
    """Yield a file, or those of a folder by name, without what is hidden or made on the way."""
    if path.is_dir():
        for each in sorted(path.iterdir()):
            if not LEFT_OUT.match(each.name):
                yield from below(each)
    else:
        yield path


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the block."""

    def insert(app: Sphinx, docname: str, source: list[str]) -> None:
        if BLOCK.search(source[0]):
            pack = packed(Path(app.doctreedir) / f"{NAME}.zip")
            page = (Path(app.srcdir) / docname).parent
            path = Path(os.path.relpath(pack, page)).as_posix()
            link = f"{{download}}`{NAME}.zip <{path}>` ({pack.stat().st_size / 1e6:.0f} MB)"
            source[0] = BLOCK.sub(lambda _: link, source[0])

    app.connect("source-read", insert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
