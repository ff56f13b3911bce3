"""Text that is written while the site is built, into a page where an empty block asks for it.

The text is Markdown of the page itself: its headings are the page's, which those that a directive
makes are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from drawn import drawn

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# (what the block is of, how to draw for its page) -> the text
Maker = Callable[[str, Callable[..., str]], str]


def inserting(app: Sphinx, name: str, make: Maker) -> dict[str, Any]:
    """Let ``name``, a block without content, stand for what ``make`` makes of its words."""
    block = re.compile(rf"^```\{{{name}\}} *(.*)\n```$", re.MULTILINE)

    def insert(app: Sphinx, docname: str, source: list[str]) -> None:
        draw = partial(drawn, app, docname)
        source[0] = block.sub(lambda found: make(found[1], draw), source[0])

    app.connect("source-read", insert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
