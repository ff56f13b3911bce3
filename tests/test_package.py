"""The house rules that a machine can check: imports, names, versions, the README."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.optimizers import OPTIMIZERS

HERE = Path(__file__).parent.parent
PACKAGE = Path(pr.__file__).parent
PROBLEMS = Path(str(problems.__file__)).parent
STANDARD = sys.stdlib_module_names | {"__future__"}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere, outside TYPE_CHECKING blocks."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def outside(names: set[str]) -> set[str]:
    """Return the top-level names that are not of the standard library."""
    return {name.partition(".")[0] for name in names} - STANDARD


@pytest.mark.parametrize("path", sorted(PROBLEMS.rglob("*.py")), ids=lambda p: p.name)
def test_problems_import_numpy_alone(path: Path) -> None:
    """The landscapes know nothing of optimizers."""
    assert outside(imported(path)) <= {"numpy", "problems"}


@pytest.mark.parametrize(
    "path",
    sorted([*(PACKAGE / "optimizers").glob("*.py"), *(PACKAGE / "arithmetic").glob("*.py")]),
    ids=lambda p: p.name,
)
def test_optimizers_and_arithmetic_import_numpy_alone(path: Path) -> None:
    """An algorithm knows nothing of problems, runs or figures."""
    names = imported(path)

    assert outside(names) <= {"numpy", "paratrooper_ref"}
    ours = {name for name in names if name.startswith("paratrooper_ref.")}
    allowed = ("paratrooper_ref.optimizers", "paratrooper_ref.arithmetic", "paratrooper_ref.lines")
    assert all(name.startswith(allowed) for name in ours)
    if path.parent.name == "arithmetic":
        assert all(name.startswith("paratrooper_ref.arithmetic") for name in ours)


def test_importing_the_package_loads_nothing_but_numpy() -> None:
    """Neither do its optimizers: no matplotlib, scipy, hypothesis, flint, nor problems."""
    code = (
        "import sys, paratrooper_ref as pr; pr.Paratrooper(); pr.run; "
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )

    loaded = {name for name in done.stdout.split() if not name.startswith("_")}
    third = {"matplotlib", "scipy", "hypothesis", "flint", "pytest", "problems", "torch", "optax"}
    assert "numpy" in loaded
    assert not loaded & third


def test_public_names_are_what_all_lists() -> None:
    """Each name of __all__ is there, documented, and dir() shows them."""
    for name in pr.__all__:
        value = getattr(pr, name)
        assert name == "__version__" or value.__doc__
    assert dir(pr) == sorted(pr.__all__)
    listed = {name for names in pr._HOMES.values() for name in names}
    assert listed | {"__version__"} == set(pr.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Adamm'"):
        pr.Adamm  # noqa: B018


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_algorithm_is_one_short_file(name: str) -> None:
    """A reader holds it beside the paper: about 120 lines with its docstring."""
    module = importlib.import_module(f"paratrooper_ref.optimizers.{name}")

    assert module.__file__ is not None
    assert len(Path(module.__file__).read_text().splitlines()) <= 140
    assert module.__doc__
    assert "Source\n" in module.__doc__


def test_versions_agree() -> None:
    """The package, the citation and the changelog name one version."""
    if not (HERE / "CITATION.cff").exists():
        pytest.fail("CITATION.cff is missing beside the tests")
    citation = (HERE / "CITATION.cff").read_text()
    changelog = (HERE / "docs" / "CHANGELOG.md").read_text()

    assert f"\nversion: {pr.__version__}\n" in citation
    assert f"## {pr.__version__} (" in changelog


def test_the_base_install_needs_numpy_alone() -> None:
    """Anything else is an extra."""
    config = configparser.ConfigParser()
    config.read(HERE / "setup.cfg")

    assert config["options"]["install_requires"].split() == ["numpy>=1.26"]
    extras = set(config["options.extras_require"])
    assert extras == {"plot", "kit", "prove", "test", "peers", "docs"}


def test_readme_lists_every_optimizer_and_fits_a_screen_or_so() -> None:
    """The table of algorithms is complete, and links lead somewhere."""
    readme = (HERE / "README.md").read_text()

    for family in OPTIMIZERS.values():
        assert f"`{family.__name__}`" in readme
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", readme):
        if target != "problems/":  # the sources may be installed elsewhere
            assert (HERE / target).exists(), target
    assert len(readme.splitlines()) <= 100
