"""The directive ``api``: the docstrings of a module's names, each in the form that suits it.

The build fails (with -W) if a public name is missing from the reference.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, get_origin

from docutils import nodes
from docutils.statemachine import StringList
from public_names import asked, assigned, missing
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

_CODE: Final = re.compile(r"(``.*?``)")
_MARK: Final = re.compile(r"(?<![\w`*\\])\*(?=\w)(?![^*]*\w\*)|\|")


class Api(SphinxDirective):
    """``api module``, with the names to document one a line, or all if there are none."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the documentation of the names."""
        module, names = self.arguments[0], asked(self.arguments[0], "\n".join(self.content))
        rst = "\n".join(line for name in names for line in _documented(module, name))
        text = f"````{{eval-rst}}\n.. currentmodule:: {module}\n\n{rst}\n````"
        holder = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), self.env.docname), 0, holder)
        return list(holder.children)


def _documented(module: str, name: str) -> Iterator[str]:
    """Yield the lines of reStructuredText that document one name."""
    value = getattr(import_module(module), name)
    if get_origin(value) is not None:
        yield from _alias(module, name)
    elif inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        yield f".. auto{kind}:: {module}.{name}"
        yield "   :members:"
    elif callable(value):
        yield f".. autofunction:: {module}.{name}"
    else:
        yield f".. autodata:: {module}.{name}"
        yield "   :no-value:"
    yield ""


def _alias(module: str, name: str) -> Iterator[str]:
    """Yield the lines that document a type such as ``dict[str, Any]``.

    By what stands in the source: to autodoc it is the function that makes a dict.
    """
    home, value = assigned(module, name)
    yield f".. py:data:: {name}"
    yield f"   :module: {module}"
    yield f"   :value: {value}"
    yield ""
    docs = ModuleAnalyzer.for_module(home).find_attr_docs()
    for line in docs.get(("", name), []):
        yield f"   {line}"
    yield ""


def _as_written(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Let the stars of a shape, as in (*batch, n), be stars, and bars bars.

    To reStructuredText they would begin an emphasis that does not end, and a substitution.
    Examples, listings and code are left alone.
    """
    margin, example = None, False  # of the line that a listing follows; within a doctest
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if margin is not None and line.strip() and indent <= margin:
            margin = None
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if margin is None and not example:
            parts = _CODE.split(line)
            parts[::2] = [_MARK.sub(r"\\\g<0>", part) for part in parts[::2]]
            lines[i] = "".join(parts)
            if line.endswith("::"):
                margin = indent


def _complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Name what the reference says nothing about."""
    objects = env.domains["py"].objects
    for name in missing(objects):
        logging.getLogger(__name__).warning("%s is public, and on no page of the reference", name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive and the check."""
    app.add_directive("api", Api)
    app.connect("autodoc-process-docstring", _as_written, priority=400)  # before numpydoc's own
    app.connect("env-check-consistency", _complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
