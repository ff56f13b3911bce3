"""The site's pages: what they say runs, what is public is on them, notebooks are stripped.

The site itself is built in CI, with warnings as errors; these need no Sphinx.
"""

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from code import InteractiveConsole
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

import paratrooper_ref as pr
from paratrooper_ref.optimizers import OPTIMIZERS

DOCS = Path(__file__).parents[1] / "docs"
CELL = re.compile(
    r"^```\{code-cell\}.*\n(?:---\n(?:.*\n)*?---\n)?(?::.*\n)*((?:.*\n)*?)```$", re.MULTILINE
)
HIDDEN = re.compile(r"^```.*\n:tags: \[remove-cell\]\n(?:.*\n)*?```$", re.MULTILINE)
ROOT = DOCS.parent
PACKAGE = Path(pr.__file__).parent
PAGES = {path: path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
EXECUTED = [path for path, text in PAGES.items() if text.startswith("---\nfile_format: mystnb")]
FENCED = re.compile(r"^(`{3,}).*?^\1", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def public_names() -> Iterator[ModuleType]:
    """Return docs/_ext/public_names.py, which the site uses too."""
    path = DOCS / "_ext" / "public_names.py"
    spec = importlib.util.spec_from_file_location("public_names", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("public_names", None)


@pytest.mark.parametrize("page", EXECUTED, ids=lambda p: str(p.relative_to(DOCS)))
def test_the_cells_of_a_page_run_and_its_numbers_hold(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From top to bottom, in an empty folder: what is said in prose is asserted in hidden cells."""
    mpl = pytest.importorskip("matplotlib")
    if page.stem == "make-an-animation":
        pytest.importorskip("paratrooper_ref.plots.motion")
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    cells = CELL.findall(PAGES[page])

    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    for i, cell in enumerate(cells):
        exec(compile(cell, f"{page.name}, cell {i + 1}", "exec"), vars(module))

    assert cells
    mpl.pyplot.close("all")


def test_the_tutorial_leaves_the_readers_own_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first cell that is shown is all there is to copy: it needs nothing before it."""
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    cells = CELL.findall(PAGES[DOCS / "tutorial" / "your-own.md"])
    first = next(cell for cell in cells if "savefig" in cell)

    exec(compile(first, "your-own.md", "exec"), {})

    assert (tmp_path / "mine.png").read_bytes().startswith(b"\x89PNG")
    mpl.pyplot.close("all")


@pytest.mark.parametrize("page", ["first-run", "your-own"])
def test_what_the_tutorial_shows_can_be_pasted_at_the_prompt(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line: there a block ends where a line is empty, and not before."""
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    shown = CELL.findall(HIDDEN.sub("", PAGES[DOCS / "tutorial" / f"{page}.md"]))
    prompt = InteractiveConsole()

    waiting = [prompt.push(line) for cell in shown for line in (*cell.splitlines(), "")]

    assert shown
    assert not waiting[-1]
    assert "Error" not in capsys.readouterr().err
    mpl.pyplot.close("all")


def test_the_site_brings_along_a_folder_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is packed is imported from where it is unpacked, and has all that installing needs."""
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("there is no checkout to pack")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    monkeypatch.delitem(sys.modules, "download", raising=False)
    pack = importlib.import_module("download").packed(tmp_path / "project.zip")
    del sys.modules["download"]
    with ZipFile(pack) as opened:
        opened.extractall(tmp_path)
    folder = tmp_path / "paratrooper-ref"

    code = "import paratrooper_ref as p, problems as q; print(p.__file__, q.__file__, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )

    assert all(Path(name).is_relative_to(folder) for name in done.stdout.splitlines())
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= set(os.listdir(folder))
    names = {path.name for path in folder.rglob("*")}
    assert "diabetes.csv" in names
    assert not {"__pycache__", ".git"} & names


def test_every_public_name_is_in_the_reference(public_names: ModuleType) -> None:
    """Of each module that is there, in a block of its page."""
    pages = [path.read_text("utf-8") for path in public_names.API.glob("*.md")]
    documented = {name for page in pages for name in public_names.listed(page)}

    assert list(public_names.missing(documented)) == []


def test_a_name_that_is_left_out_is_missed(public_names: ModuleType) -> None:
    """The check can fail: without its line, `Adam` is public and on no page."""
    page = (public_names.API / "paratrooper_ref.md").read_text("utf-8")

    left = public_names.listed(page.replace("\nAdam\n", "\n"))

    assert "paratrooper_ref.Adam" in public_names.listed(page)
    assert "paratrooper_ref.Adam" in public_names.missing(left)


def test_a_module_is_public_unless_it_is_said_why_not(public_names: ModuleType) -> None:
    """Those that are not are there, have a reason, and no block of a page."""
    pages = [path.read_text("utf-8") for path in public_names.API.glob("*.md")]
    documented = {name.rpartition(".")[0] for page in pages for name in public_names.listed(page)}

    assert {"paratrooper_ref.schedules", "paratrooper_ref.arithmetic"} <= documented
    assert public_names.INTERNAL.keys() <= set(public_names.candidates())
    assert not public_names.INTERNAL.keys() & documented
    assert all(public_names.INTERNAL.values())


def test_what_is_new_in_a_package_is_missed(
    public_names: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module directly in it, or with __all__; not one that is private, nor a name twice."""
    files = {
        "__init__": "from novelty.top import f\n__all__ = ['f']",
        "top": "def f(): ...\ndef g(): ...\ndef _h(): ...",
        "_top": "__all__ = ['i']\ni = 1",
        "deep/__init__": "",
        "deep/said": "__all__ = ['j']\nj = 1\ndef k(): ...",
        "deep/plain": "def l(): ...",
        "_deep/said": "__all__ = ['m']\nm = 1",
    }
    for name, text in files.items():
        path = tmp_path / "novelty" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(public_names, "ROOTS", ("novelty",))

    assert list(public_names.candidates()) == [
        "novelty", "novelty.deep", "novelty.deep.said", "novelty.top",
    ]
    assert set(public_names.missing(set())) == {
        "novelty.f", "novelty.top.f", "novelty.top.g", "novelty.deep.said.j",
    }
    assert set(public_names.missing({"novelty.f", "novelty.deep.said.j"})) == {"novelty.top.g"}
    monkeypatch.setattr(public_names, "INTERNAL", {"novelty.top": "a part"})
    assert set(public_names.missing(set())) == {"novelty.f", "novelty.deep.said.j"}


def test_a_type_is_documented_by_its_source(public_names: ModuleType) -> None:
    """Where it is made, whichever modules hand it on."""
    assert public_names.assigned("paratrooper_ref.landscape", "Direction") == (
        "paratrooper_ref.landscape.points", "Mapping[str, Array]",
    )
    assert public_names.assigned("paratrooper_ref.noise_floor", "Average") == (
        "paratrooper_ref.noise_floor.averages", "EMA | Tail | None",
    )
    with pytest.raises(ValueError, match="neither makes nor imports Directions"):
        public_names.assigned("paratrooper_ref.landscape", "Directions")


def test_every_optimizer_has_a_page_and_a_judgement() -> None:
    """With at least one reason for it and one against."""
    judgements = tomllib.loads((DOCS / "reference" / "judgements.toml").read_text("utf-8"))
    pages = {path.stem for path in (DOCS / "reference" / "algorithms").glob("*.md")}

    assert pages - {"index"} == set(OPTIMIZERS) == set(judgements)
    assert all(reasons["pro"] and reasons["contra"] for reasons in judgements.values())


def test_committed_notebooks_are_stripped() -> None:
    """No outputs and no counts: they are made when the site is built, and checked then."""
    for path in sorted((DOCS / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert not cell["outputs"], path.name
                assert cell["execution_count"] is None, path.name


def test_links_between_pages_lead_somewhere() -> None:
    """In a viewer of the repository as on the site: to files that are there."""
    for page, text in PAGES.items():
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", FENCED.sub("", text)):
            where = page.parent / target
            if "paratrooper_ref/" in target:  # the sources may be installed elsewhere
                where = PACKAGE / target.partition("paratrooper_ref/")[2]
            assert where.exists(), f"{page.relative_to(DOCS)}: {target}"


def test_what_is_said_of_the_claims_elsewhere_is_what_their_page_says() -> None:
    """That none holds at every learning rate."""
    assert "No claim about training holds at every learning rate" in PAGES[DOCS / "claims.md"]
    choosing = " ".join(PAGES[DOCS / "explanation" / "choosing.md"].split())
    said = "the claims about training that were [measured](../claims.md) none holds at every rate"
    assert said in choosing
