"""The command line draws what the library draws, and refuses in one line."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref import cli, plots
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


@pytest.mark.parametrize("what", ["losses", "m"])
def test_a_problem_may_have_a_comma_in_its_name(what: str, tmp_path: Path) -> None:
    """As all mini-batch problems have: one file, or two for losses."""
    drawn = problems.minibatch(problems.diabetes(), size=16)
    assert ", " in drawn.name
    for name, optimizer in {"a": pr.Adam(), "b": pr.SGD()}.items():
        pr.run(optimizer, drawn, 3).save(f"{name}.npz")

    assert main(["plot", what, "a.npz", *(["b.npz"] if what == "losses" else [])]) == 0

    assert (tmp_path / f"{what}.png").exists()


def test_basins_of_a_run_that_diverged_need_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the few before it ended: after them no start has become non-finite yet."""
    with pytest.warns(RuntimeWarning, match="ended early"):
        pr.run(pr.SGD(lr=10), problems.rosenbrock(), 100).save("lost.npz")
    seen: list[plots.Basins] = []
    draw = plots.basins

    def kept(found: plots.Basins) -> Any:
        seen.append(found)
        return draw(found)

    monkeypatch.setattr(plots, "basins", kept)

    assert main(["plot", "basins", "lost.npz"]) == 2
    printed = capsys.readouterr().err
    assert "became non-finite after step 4; say how many, such as --steps 300" in printed
    assert printed.count("\n") == 1
    assert main(["plot", "basins", "lost.npz", "--steps", "20"]) == 0

    (found,) = seen
    assert found.steps == 20
    assert np.mean(~found.alive) > 0.99


def damaged(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return reports that each lack something, or have it wrong."""
    format_of, results = report["format"], report["results"]
    row = results[0]
    found = [{"format": format_of}, {**report, "results": 3}, {**report, "results": [1]}]
    found += [{k: v for k, v in report.items() if k != key} for key in ("results", "backend")]
    found += [
        {**report, "results": [{k: v for k, v in row.items() if k != key}]}
        for key in ("case", "shares", "alone")
    ]
    for key, wrong in (("share", "x"), ("t", None), ("t", [1]), ("t", float("inf"))):
        share = {**row["shares"][0], key: wrong}
        found.append({**report, "results": [{**row, "shares": [share]}]})
    return found


def test_a_damaged_report_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it lacks; and no picture is left."""
    whole = check(ReferenceBackend(), "sgd", only="sgd/plain*").to_json()

    for report in damaged(whole):
        Path("report.json").write_text(json.dumps(report))
        assert main(["plot", "margins", "report.json"]) == 2
        printed = capsys.readouterr()
        assert "margins needs a whole report, got one" in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


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
        (["paths", "diabetes.npz", "-o", "x.gif"], "two parameters and a domain"),
        (["paths", "adam.npz", "-o", "none/x.gif"], "a picture needs a folder to write to, got no"),
        (["losses", "adam.npz", "-o", "/proc/x.png"], "a picture needs a folder to write to, got "),
        (["basins", "diabetes.npz"], "two parameters and a domain, got diabetes"),
        (["basins", "adam.npz", "sgd.npz"], "plot basins needs one file, got 2"),
        (["margins", "adam.npz"], "plot margins needs a report that 'check --report x.json' has"),
        (["margins", "text.json"], "plot margins needs a report that 'check --report x.json' has"),
        (["margins", "no.json"], "plot margins needs a report that 'check --report x.json' has"),
        (["margins", "no.json"], "has saved, got no.json, which is not there"),
        (["margins", "."], "has saved, got . (Is a directory)"),
        (["margins"], "plot margins needs a report that 'check --report x.json' has saved, got no"),
        (["margins", "a.json", "b.json"], "plot margins needs one file, got 2"),
        (["curves", "--steps", "100000000"], "plot curves needs --steps from 1 to 100000, got "),
        (["curves", "--steps", "0"], "plot curves needs --steps from 1 to 100000, got --steps=0"),
        (["basins", "adam.npz", "--steps", "100001"], "plot basins needs --steps from 1 to 100"),
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


@pytest.mark.usefixtures("_saved")
def test_a_legend_of_losses_is_over_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands beside them, whole."""
    seen: list[Any] = []
    monkeypatch.setattr(cli, "_drawn", lambda figure, _: seen.append(figure))

    assert main(["plot", "losses", "adam.npz", "sgd.npz"]) == 0

    (figure,) = seen
    figure.canvas.draw()
    (ax,) = figure.axes
    legend = ax.get_legend().get_window_extent()
    assert not legend.overlaps(ax.get_window_extent())
    assert legend.x1 <= figure.bbox.width
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Adam", "SGD"]


def test_basins_of_starts_that_are_on_their_way_hint_at_more_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where a tenth or more are at no minimum, and steps are left; none where all have arrived."""
    pr.run(pr.SGD(lr=0.01), problems.double_well(), 5).save("run.npz")

    assert main(["plot", "basins", "run.npz"]) == 0
    early = capsys.readouterr()
    assert main(["plot", "basins", "run.npz", "--steps", "500"]) == 0
    late = capsys.readouterr()

    assert early.out == late.out == "basins.png\n"
    assert re.fullmatch(
        r"plot basins: after 5 steps \d+% of the starts are at no minimum that is declared; more "
        r"steps may take them there, such as --steps 50\n", early.err
    )
    assert late.err == ""
