"""For the command line: a block ``commands``, the help of every verb; and ``command``, one run.

A command stands on a page as it is typed, and its output below it is what it printed when the
site was built; an exit status other than 0, or than the one declared, fails the build.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import directives
from inserted import inserting
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from paratrooper_ref.cli import _parser

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from sphinx.application import Sphinx


class Command(SphinxDirective):
    """``command``: lines to type, all run in one empty folder, with what the last one prints."""

    has_content = True
    option_spec = {"status": directives.nonnegative_int, "lines": directives.positive_int}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the commands and the output."""
        wanted, shown = self.options.get("status", 0), self.options.get("lines")
        typed = [line for line in self.content if line.strip()]
        with TemporaryDirectory() as folder:
            for line in typed:
                done = subprocess.run(
                    _split(line), cwd=folder, capture_output=True, text=True, check=False,
                    env=os.environ | {"COLUMNS": "88"}, timeout=120,
                )
                if done.returncode != (wanted if line is typed[-1] else 0):
                    msg = f"{line}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
                    raise ExtensionError(msg)
        output = (done.stdout + done.stderr).rstrip().splitlines()
        if shown and len(output) > shown:
            output = [*output[:shown], "..."]
        blocks = [("\n".join(typed), "sh"), ("\n".join(output), "text")]
        return [_block(text, language) for text, language in blocks if text]


def commands(_: str, draw: object) -> str:
    """Return the help of every verb, a section each."""
    return "\n\n".join(_sections(_parser()))


def _split(line: str) -> list[str]:
    """Return the words of a command of ours, which runs in this Python."""
    name, *words = shlex.split(line)
    if name != "paratrooper-ref":
        msg = f"a command directive runs paratrooper-ref, got {name!r}"
        raise ExtensionError(msg)
    return [sys.executable, "-m", "paratrooper_ref", *words]


def _sections(parser: ArgumentParser) -> Iterator[str]:
    """Yield the help of a parser's verbs, and of theirs."""
    for verb in dict.fromkeys((getattr(parser, "verbs", None) or {}).values()):
        yield f"## `{verb.prog}`\n\n````text\n{verb.format_help().strip()}\n````"
        yield from _sections(verb)


def _block(text: str, language: str) -> nodes.literal_block:
    block = nodes.literal_block(text, text)
    block["language"] = language
    return block


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive and the block."""
    app.add_directive("command", Command)
    return inserting(app, "commands", commands)
