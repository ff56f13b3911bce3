"""The command line draws what the library draws, and refuses in one line."""

from pathlib import Path

import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.cli import main
from paratrooper_ref.conformance import ReferenceBackend, check


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _saved() -> None:
    pr.run(pr.Adam(lr=0.1), problems.himmelblau(), 12).save("adam.npz")
    pr.run(pr.SGD(lr=0.01), problems.himmelblau(), 9).save("sgd.npz")
    pr.run(pr.SGD(), problems.diabetes(), 2).save("diabetes.npz")
    Path("text.json").write_text("[]")


@pytest.mark.usefixtures("_saved")
def test_paths_become_a_film_where_the_picture_is_one(tmp_path: Path) -> None:
    """A GIF, of several runs."""
    assert main(["plot", "paths", "adam.npz", "sgd.npz", "-o", "x.gif"]) == 0

    assert (tmp_path / "x.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.usefixtures("_saved")
def test_basins_and_margins_are_pictures(tmp_path: Path) -> None:
    """Of a saved run's optimizer and problem; of a saved report."""
    check(ReferenceBackend(), "sgd", only="sgd/plain*").save("report.json")

    assert main(["plot", "basins", "adam.npz"]) == 0
    assert main(["plot", "margins", "report.json"]) == 0

    for name in ("basins.png", "margins.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["paths", "adam.npz", "diabetes.npz", "-o", "x.gif"], "runs of one problem, got himmel"),
        (["paths", "diabetes.npz", "-o", "x.gif"], "two parameters in one layer and a domain"),
        (["paths", "adam.npz", "-o", "none/x.gif"], "a picture needs a folder to write to, got no"),
        (["losses", "adam.npz", "-o", "/proc/x.png"], "a picture needs a folder to write to, got "),
        (["basins", "diabetes.npz"], "two parameters in one layer and a domain, got diabetes"),
        (["basins", "adam.npz", "sgd.npz"], "plot basins needs one file, got 2"),
        (["margins", "adam.npz"], "plot margins needs a report that 'check --report x.json' has"),
        (["margins", "text.json"], "plot margins needs a report that 'check --report x.json' has"),
        (["margins", "no.json"], "no.json"),
    ],
)
@pytest.mark.usefixtures("_saved")
def test_bad_pictures_are_refused_in_one_line(
    command: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, nothing on stdout, nothing written."""
    before = sorted(tmp_path.iterdir())

    assert main(["plot", *command]) == 2

    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert sorted(tmp_path.iterdir()) == before
