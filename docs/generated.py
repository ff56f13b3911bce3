"""Pages that a script makes: written whole, or with ``--check`` compared line by line."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser as Parser
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from paratrooper_ref.files import replacing

BEFORE, AFTER = 30, 50  # characters shown around the first that differs: rows of tables are long


def parser(doc: str | None, *, check: str = "compare the page, measure nothing") -> Parser:
    """Return the parser of a script of that docstring, with ``--check``."""
    made = Parser(description=(doc or "").partition("\n")[0])
    made.add_argument("--check", action="store_true", help=check)
    return made


def published(page: Path, text: str, *, check: bool, make: str) -> int:
    """Write a page, or with ``check`` compare it and say on stderr where it differs.

    Parameters
    ----------
    page : Path
    text : str
        What the page has to hold.
    check : bool
        Whether to compare it, and write nothing.
    make : str
        The command that writes the page, to be run where it differs.

    Returns
    -------
    int
        An exit status: 0, or 1 if the page is another, or none.
    """
    if not check:
        with replacing(page) as file:
            file.write(text.encode())
        return 0
    wrong = difference(page.read_text("utf-8"), text) if page.exists() else "there is none"
    if wrong:
        print(f"{page.name}: {wrong}; run {make}", file=sys.stderr)
    return int(bool(wrong))


def difference(found: str, wanted: str) -> str:
    """Return which line of a text is the first that is not as wanted, and how; or nothing."""
    pairs = zip_longest(found.split("\n"), wanted.split("\n"))
    for number, (is_, ought) in enumerate(pairs, 1):
        if is_ is None:
            return f"it ends before line {number}, which should be {_shown(ought, 0)}"
        if ought is None:
            return f"it should end before line {number}, which is {_shown(is_, 0)}"
        if is_ != ought:
            both = enumerate(zip_longest(is_, ought))
            at = next(i for i, (a, b) in both if a != b)
            return f"line {number} is {_shown(is_, at)} and should be {_shown(ought, at)}"
    return ""


def _shown(line: str, at: int) -> str:
    """Return a line as it is quoted, or of a long one what is around a character."""
    first, last = max(0, at - BEFORE), at + AFTER
    cut = line[first:last]
    return repr("…" * (first > 0) + cut + "…" * (last < len(line)))


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; a bar in a cell is a bar."""
    lines = [head, ("---",) * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def filled(page: str, blocks: Mapping[str, str]) -> str:
    """Return a page with text in its blocks.

    A block begins with the line ``<!-- measured: NAME -->`` and ends with ``<!-- end -->``.

    Raises
    ------
    ValueError
        If the page has not exactly one block of a name.
    """
    for name, text in blocks.items():
        block = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = block.subn(lambda m, text=text: f"{m[1]}{text}\n{m[2]}", page)
        if count != 1:
            msg = f"filled needs a page with one block {name}, got {count} of them"
            raise ValueError(msg)
    return page
