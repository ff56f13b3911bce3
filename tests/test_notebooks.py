"""What every notebook is held to as it is committed; the site build executes them."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
OURS = ("paratrooper_ref", "problems")
WIDEST = 9.6  # inches; letters of 10.5 points are then 11 pixels high on the site's 46 em
Notebook = dict[str, Any]
Cell = dict[str, Any]


def read(path: Path) -> Notebook:
    """Return a notebook as plain data."""
    notebook: Notebook = json.loads(path.read_text("utf-8"))
    return notebook


def source(cell: Cell) -> str:
    """Return a cell's text, which is stored whole or in lines."""
    return "".join(cell["source"])


def tags(cell: Cell) -> list[str]:
    """Return a cell's tags."""
    return list(cell["metadata"].get("tags", []))


def sections(notebook: Notebook) -> list[tuple[str, list[Cell]]]:
    """Return each heading of level two, with the cells after the one that it stands in."""
    found: list[tuple[str, list[Cell]]] = []
    for cell in notebook["cells"]:
        text = source(cell) if cell["cell_type"] == "markdown" else ""
        headings = re.findall(r"^## (.+)", text, re.M)
        found += [(heading, []) for heading in headings]
        if found and not headings:
            found[-1][1].append(cell)
    return found


def asserts(cells: list[Cell]) -> bool:
    """Return whether some code cell makes an assertion."""
    code = (source(cell) for cell in cells if cell["cell_type"] == "code")
    return any(isinstance(node, ast.Assert) for text in code for node in ast.walk(ast.parse(text)))


def form(notebook: Notebook) -> Iterator[str]:
    """Complain of what does not belong into a stripped notebook, format 4.5."""
    if (notebook["nbformat"], notebook["nbformat_minor"]) != (4, 5):
        yield "not format 4.5"
    if notebook["metadata"]["kernelspec"]["name"] != "python3":
        yield "another kernel than python3"
    identities = [cell.get("id") for cell in notebook["cells"]]
    if None in identities or len(set(identities)) < len(identities):
        yield "cells without an id of their own"
    for cell in notebook["cells"]:
        if set(cell["metadata"]) - {"tags", "mystnb"}:
            yield f"metadata besides tags and mystnb: {cell['metadata']}"
        if cell["cell_type"] == "code" and cell["outputs"]:
            yield "outputs"
        if cell["cell_type"] == "code" and cell["execution_count"] is not None:
            yield "an execution count"


def plan(notebook: Notebook) -> Iterator[str]:
    """Complain of a notebook that lacks a part of the plan all follow."""
    opening = source(notebook["cells"][0])
    if not opening.startswith("# ") or len(re.findall(r"^- ", opening, re.M))  not in (3, 4):
        yield "no title with a few lines of what will be learnt"
    for heading, cells in sections(notebook):
        if not asserts(cells):
            yield f"no assertion in the section {heading!r}"
    texts = [source(c) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    if len(re.findall(r"^#+ .*break it", "\n".join(texts), re.M | re.I)) != 1:
        yield "not one heading 'Break it'"
    exercises = dict(sections(notebook)).get("Exercises", [])
    answers = [cell for cell in exercises if cell["cell_type"] == "code"]
    if len(answers) < 2 or not all("hide-cell" in tags(cell) for cell in answers):
        yield "no exercises with hidden answers"
    if not all(asserts([cell]) for cell in answers):
        yield "an answer that asserts nothing"


def figures(notebook: Notebook) -> Iterator[str]:
    """Complain of figures that are not described in words, or too wide for their letters."""
    for cell in notebook["cells"]:
        drawn = len(re.findall(r"plt\.subplot", source(cell))) if cell["cell_type"] == "code" else 0
        given = cell["metadata"].get("mystnb", {})
        alt = given.get("image", {}).get("alt", "")
        if given not in ({}, {"image": {"alt": alt}}):
            yield f"more for mystnb than a figure's alt: {given}"
        if bool(drawn) != bool(alt) or drawn > 1:
            yield f"{drawn} figures in a cell with the words {alt!r}"
        widths = re.findall(r"figsize=\(([\d.]+),", source(cell))
        if any(float(width) > WIDEST for width in widths):
            yield f"a figure wider than {WIDEST} inches, on which letters are small: {widths}"


def code(notebook: Notebook) -> Iterator[str]:
    """Complain of code that does not parse, is private to a package, or draws without a seed."""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        try:
            tree = ast.parse(source(cell))
        except SyntaxError:
            yield f"not Python: {source(cell)}"
            continue
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            ours = [name for name in names if name.split(".")[0] in OURS]
            if any(part.startswith("_") for name in ours for part in name.split(".")):
                yield f"a private import: {names}"
            if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr):
                yield f"a private name: {node.attr}"
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np.random":
                yield "numbers from numpy.random, which may change"


def complaints(notebook: Notebook) -> list[str]:
    """Return all that is wrong with a notebook."""
    wrong_code = list(code(notebook))
    return [
        *form(notebook), *wrong_code, *([] if wrong_code else [*plan(notebook), *figures(notebook)])
    ]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_as_all_are_meant_to_be(path: Path) -> None:
    """It is stripped, follows the plan, and uses the packages as anybody could."""
    assert complaints(read(path)) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_one_text(path: Path) -> None:
    """Written again it has the same bytes, so that a change shows as that change alone."""
    text = path.read_text("utf-8")

    assert json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n" == text


def code_cells(notebook: Notebook) -> list[Cell]:
    """Return the code cells."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def with_output(notebook: Notebook) -> None:
    """Leave an output."""
    code_cells(notebook)[1]["outputs"].append({"output_type": "stream", "text": "1"})


def with_count(notebook: Notebook) -> None:
    """Leave a count."""
    code_cells(notebook)[1]["execution_count"] = 3


def with_twins(notebook: Notebook) -> None:
    """Give two cells one id."""
    notebook["cells"][1]["id"] = notebook["cells"][0]["id"]


def with_another_kernel(notebook: Notebook) -> None:
    """Ask for a kernel that others do not have."""
    notebook["metadata"]["kernelspec"]["name"] = "venv-3"


def with_editor_metadata(notebook: Notebook) -> None:
    """Leave what an editor writes."""
    notebook["cells"][0]["metadata"]["collapsed"] = True


def with_a_section_that_claims_nothing(notebook: Notebook) -> None:
    """Take the assertions out of the first section."""
    for cell in sections(notebook)[0][1]:
        if cell["cell_type"] == "code":
            cell["source"], cell["metadata"] = ["pass"], {}


def with_nothing_to_break(notebook: Notebook) -> None:
    """Take the heading away."""
    for cell in notebook["cells"]:
        cell["source"] = re.sub("(?i)break it", "go on", source(cell))


def with_an_open_answer(notebook: Notebook) -> None:
    """Show an answer."""
    code_cells(notebook)[-1]["metadata"] = {}


def with_a_section_without_cells(notebook: Notebook) -> None:
    """Begin a section, and the next one right behind it."""
    notebook["cells"][2]["source"] = "## Another\n\n" + source(notebook["cells"][2])


def with_two_goals(notebook: Notebook) -> None:
    """Promise less."""
    notebook["cells"][0]["source"] = "# Title\n\n- one\n- two\n"


def first_figure(notebook: Notebook) -> Cell:
    """Return the first cell that draws."""
    return next(cell for cell in code_cells(notebook) if "plt.subplots" in source(cell))


def with_a_mute_figure(notebook: Notebook) -> None:
    """Leave out what a figure shows."""
    first_figure(notebook)["metadata"] = {}


def with_two_figures(notebook: Notebook) -> None:
    """Draw another figure in a cell whose words are of one."""
    cell = first_figure(notebook)
    cell["source"] = source(cell) + "\nplt.subplots()"


def with_small_letters(notebook: Notebook) -> None:
    """Draw a figure that is wider than the page."""
    cell = first_figure(notebook)
    cell["source"] = re.sub(r"figsize=\([\d.]+", "figsize=(14", source(cell))


def with_code(text: str) -> Callable[[Notebook], None]:
    """Write something else in a code cell."""

    def spoil(notebook: Notebook) -> None:
        code_cells(notebook)[1]["source"] = text

    return spoil


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (with_output, "outputs"),
        (with_count, "an execution count"),
        (with_twins, "cells without an id"),
        (with_another_kernel, "another kernel"),
        (with_editor_metadata, "metadata besides tags and mystnb"),
        (with_a_section_that_claims_nothing, "no assertion in the section"),
        (with_nothing_to_break, "not one heading"),
        (with_an_open_answer, "no exercises with hidden answers"),
        (with_a_section_without_cells, "no assertion in the section 'Another'"),
        (with_two_goals, "no title with a few lines"),
        (with_a_mute_figure, "1 figures in a cell with the words ''"),
        (with_two_figures, "2 figures in a cell"),
        (with_small_letters, "a figure wider than 9.6 inches"),
        (with_code("from problems import _random"), "a private import"),
        (with_code("import paratrooper_ref.golden._x as x"), "a private import"),
        (with_code("net._vector(3)"), "a private name"),
        (with_code("np.random.default_rng(0)"), "numbers from numpy.random"),
        (with_code("%matplotlib inline"), "not Python"),
    ],
)
def test_a_spoilt_notebook_is_found(spoil: Callable[[Notebook], None], complaint: str) -> None:
    """Each check sees the mistake that it is there for, and nothing else is wrong."""
    notebook = copy.deepcopy(read(PATHS[0]))

    spoil(notebook)

    found = complaints(notebook)
    assert found
    assert all(complaint in each for each in found), found
