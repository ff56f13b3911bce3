"""Which names are public, and which of them the reference says something about.

Plain Python, so that a test can ask it without Sphinx.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

API: Final = Path(__file__).parents[1] / "reference" / "api"
ROOTS: Final = ("paratrooper_ref", "problems")
INTERNAL: Final = {
    "paratrooper_ref.arguments": "numbers on the command line",
    "paratrooper_ref.cli": "the command line: reference/command-line.md",
    "paratrooper_ref.conformance.html": "the page that Report.save writes",
    "paratrooper_ref.conformance.loop": "the runs of check, which a Report tells of",
    "paratrooper_ref.files": "how our own files are written",
    "paratrooper_ref.golden": "a package of files; golden.corpus is what reads the corpus",
    "paratrooper_ref.lines": "symbols and meanings of tagged lines: algorithms.md",
    "paratrooper_ref.listing": "how the source of a rule becomes text and TeX: algorithms.md",
    "paratrooper_ref.progress": "the bar of long work",
    "problems.logistic": "its problem is in problems; the other functions are parts of that",
}
"""Modules that `public_modules` would hold to be public, and why they are not."""

_ALL: Final = re.compile(r"^__all__ = ", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```\{api\} (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def candidates() -> Iterator[str]:
    """Yield the modules that declare ``__all__``, and those that stand directly in a package.

    By their files: those of the kit that need a framework are not imported.  What begins with an
    underscore is private, and so is what is in it.
    """
    for root in ROOTS:
        place = Path(str(import_module(root).__file__)).parent
        for path in sorted(place.rglob("*.py")):
            parts = path.relative_to(place).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            private = any(part.startswith("_") for part in parts)
            if not private and (len(parts) < 2 or _ALL.search(path.read_text("utf-8"))):
                yield ".".join((root, *parts))


def public_modules() -> list[str]:
    """Return the modules whose public names belong in the reference."""
    return [module for module in candidates() if module not in INTERNAL]


def public(module: str) -> list[str]:
    """Return the public names of a module: its ``__all__``, or else what it defines."""
    found = import_module(module)
    if hasattr(found, "__all__"):
        return list(found.__all__)
    return [
        name for name, value in vars(found).items()
        if not name.startswith("_") and inspect.getmodule(value) is found
        and (inspect.isclass(value) or inspect.isfunction(value))
    ]


def asked(module: str, content: str) -> list[str]:
    """Return the names that an ``api`` block documents: those it lists, or all if it lists none."""
    return content.split() or public(module)


def assigned(module: str, name: str) -> tuple[str, str]:
    """Return the module that a name comes from, and the source of what it is there."""
    for node in ast.parse(inspect.getsource(import_module(module))).body:
        if isinstance(node, ast.ImportFrom) and name in [each.name for each in node.names]:
            return assigned(str(node.module), name)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in [ast.unparse(each) for each in targets]:
                return module, ast.unparse(node.value)
    msg = f"{module} neither makes nor imports {name}"
    raise ValueError(msg)


def listed(page: str) -> set[str]:
    """Return the qualified names that the ``api`` blocks of a page document."""
    return {
        f"{module}.{name}"
        for module, content in _BLOCK.findall(page)
        for name in asked(module, content)
    }


def missing(documented: Collection[str]) -> Iterator[str]:
    """Yield the public names that are not among those documented.

    What several modules export is one thing, and documented once: a link to it by its name alone
    would have two targets.
    """
    modules = public_modules()
    for module in modules:
        for name in public(module):
            value = getattr(import_module(module), name)
            homes = (
                home for home in modules
                if f"{home}.{name}" in documented and getattr(import_module(home), name) is value
            )
            if not any(homes):
                yield f"{module}.{name}"
