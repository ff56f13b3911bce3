"""The command line does what its help says, and refuses in one line with exit status 2."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.cli import main
from paratrooper_ref.explain import explain


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_run_leaves_a_table_a_figure_and_the_trajectories(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is saved is the run at the best of the rates, as the library gives it."""
    status = main(["run", "sgd", "paratrooper", "--steps", "12", "--jobs", "1"])

    assert status == 0
    out = tmp_path / "paratrooper-run"
    names = sorted(p.name for p in out.iterdir())
    assert names == [
        "diabetes-paratrooper.npz",
        "diabetes-sgd.npz",
        "figure.png",
        "rosenbrock-paratrooper.npz",
        "rosenbrock-sgd.npz",
        "summary.json",
    ]
    picture = (out / "figure.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") >= 2 * 390  # sharp on a phone
    summary = json.loads((out / "summary.json").read_text())
    printed = capsys.readouterr().out
    for row in summary:
        loaded = pr.load(out / f"{row['problem']}-{row['optimizer']}.npz")
        finals = {float(lr): loss for lr, loss in row["sweep"].items() if loss is not None}
        assert row["lr"] == min(finals, key=lambda lr: finals[lr])
        assert row["loss"] == loaded.losses[-1] == min(finals.values())
        again = pr.run(loaded.optimizer, loaded.problem, 12)
        np.testing.assert_array_equal(again.losses, loaded.losses)
        assert f"{row['loss']:.6g}" in printed


def test_run_says_how_far_it_has_looked_and_where_that_was_not_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A best at the edge of its rates has a word in its row, and what to do stands below."""
    command = ["run", "sgd", "--problem", "booth", "--steps", "3", "--no-figure"]

    main(command)
    inside = capsys.readouterr().out
    main([*command, "--set", "lr=1e-9"])
    beyond = capsys.readouterr().out
    main([*command, "--lr", "1e-9"])
    alone = capsys.readouterr().out

    assert "each at the best of 10 learning rates: 0.1 to 100 times its own, and on until" in inside
    assert "edge" not in inside + alone
    assert "at the edge: highest rate" in beyond
    assert "look further with --set lr=X" in beyond


def test_run_does_not_depend_on_the_number_of_processes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two processes share the work; the numbers are the same."""
    command = ["run", "adam", "lars", "--problem", "beale", "--steps", "9", "--no-figure", "--json"]

    main([*command, "--jobs", "1"])
    one = capsys.readouterr().out
    main([*command, "--jobs", "2"])
    two = capsys.readouterr().out

    assert one == two
    assert len(json.loads(one)) == 2


def test_run_takes_settings_problems_with_arguments_and_schedules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each option reaches the library as it would be written there."""
    status = main(
        [
            "run", "sgd", "lookahead", "--problem", "linear_net:depth=2,skip=layer",
            "--lr", "0.01", "--steps", "6", "--set", "momentum=0.5", "--set", "k=2",
            "--schedule", "cosine:flat=0.5", "--no-figure", "--json",
        ]
    )

    assert status == 0
    sgd, lookahead = json.loads(capsys.readouterr().out)
    problem = problems.linear_net(depth=2, skip="layer")
    schedule = pr.FlatThenCosine(steps=6, flat=0.5)
    by_hand = pr.run(pr.SGD(lr=0.01, momentum=0.5), problem, 6, schedule=schedule)
    assert sgd["loss"] == by_hand.losses[-1]
    inner = pr.Lookahead(inner=pr.AdamW(lr=0.01), k=2)
    assert lookahead["loss"] == pr.run(inner, problem, 6, schedule=schedule).losses[-1]


def test_every_optimizer_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Both forms of LARS, Lookahead around any, None by the word none, an infinite ceiling."""
    command = ["run", "--problem", "linear_net:samples=none", "--steps", "3", "--lr", "0.01"]
    cases = {
        ("lars", "form=2019"): pr.LARS(lr=0.01, form="2019"),
        ("lookahead:sgd", "momentum=0.5"): pr.Lookahead(inner=pr.SGD(lr=0.01, momentum=0.5)),
        ("paratrooper", "l2=none"): pr.Paratrooper(lr=0.01),
        ("paratrooper", "cap=inf"): pr.Paratrooper(lr=0.01, cap=float("inf")),
        ("radam", "warmup=none"): pr.RAdam(lr=0.01, warmup="none"),
    }
    for (name, setting), optimizer in cases.items():
        status = main([*command, name, "--set", setting, "--no-figure", "--json"])

        (row,) = json.loads(capsys.readouterr().out)
        assert status == 0
        assert row["loss"] == pr.run(optimizer, problems.linear_net(), 3).losses[-1]
        assert main(["explain", name, "--set", setting, "--json"]) == 0
        json.loads(capsys.readouterr().out)


def test_run_draws_minibatches(capsys: pytest.CaptureFixture[str]) -> None:
    """--minibatch and --seed choose the draws."""
    command = ["run", "sgd", "--problem", "diabetes", "--minibatch", "16", "--lr", "0.01"]

    main([*command, "--steps", "5", "--seed", "3", "--no-figure", "--json"])

    (row,) = json.loads(capsys.readouterr().out)
    problem = problems.minibatch(problems.diabetes(), size=16, seed=3)
    assert row["loss"] == pr.run(pr.SGD(lr=0.01), problem, 5).losses[-1]


def test_a_run_that_diverges_is_a_row_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The others go on, and the row says which step was refused."""
    command = ["run", "sgd", "adam", "--problem", "rosenbrock", "--lr", "1", "--steps", "30"]

    status = main([*command, "--no-figure"])

    printed = capsys.readouterr().out
    assert status == 0
    assert "needs a finite" in printed
    assert "adam" in printed


def test_explain_shows_the_lines_of_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Values are printed to 17 digits, so they are the doubles of the recorded lines."""
    status = main(["explain", "paratrooper", "--step", "6", "--json"])

    rows = json.loads(capsys.readouterr().out)
    run = pr.run(pr.Paratrooper(), problems.rosenbrock(), 6)
    assert status == 0
    values = {row["tag"]: row["value"] for row in rows}
    for tag in ("rho", "rectification", "bias_correction", "cap", "trust_ratio"):
        assert values[tag] == run.lines["x"][tag][6]
    assert values["m"] == run.lines["x"]["m"][6].tolist()


def test_explain_prints_formula_numbers_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    """A teacher sees the symbol, the formula, the numbers in it and the value."""
    status = main(["explain", "sgd", "--problem", "booth", "--lr", "0.5"])

    printed = capsys.readouterr().out
    state = pr.SGD(lr=0.5).init(problems.booth().starts[0])
    line = explain(pr.SGD(lr=0.5), state, problems.booth().grad(state.params))[5]
    assert status == 0
    assert "SGD on booth, step 1, layer x" in printed
    assert f"Δ = {line.formula}\n" in printed
    assert f"= {line.numbers}\n" in printed


@pytest.mark.parametrize("what", ["losses", "paths", "trust", "rho"])
def test_plot_draws_saved_runs(what: str, tmp_path: Path) -> None:
    """Each picture is written where it is asked for."""
    pr.run(pr.Paratrooper(), problems.rosenbrock(), 9).save("run.npz")

    status = main(["plot", what, "run.npz", "-o", "picture.png"])

    assert status == 0
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_plot_names_runs_apart_and_refuses_what_it_cannot_show(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two runs of one optimizer are told by their rates; two problems share no picture."""
    pr.run(pr.Adam(lr=0.1), problems.rosenbrock(), 3).save("a.npz")
    pr.run(pr.Adam(lr=0.2), problems.rosenbrock(), 3).save("b.npz")
    pr.run(pr.Adam(lr=0.2), problems.booth(), 3).save("c.npz")

    assert main(["plot", "losses", "a.npz", "b.npz"]) == 0
    assert main(["plot", "losses", "a.npz", "c.npz"]) == 2
    assert "needs runs of one problem, got rosenbrock, booth" in capsys.readouterr().err
    assert main(["plot", "m", "a.npz", "b.npz"]) == 2
    assert "plot m needs one file, got 2" in capsys.readouterr().err


def test_plot_curves_needs_no_file(tmp_path: Path) -> None:
    """The source's three curves come from Paratrooper's own lines."""
    status = main(["plot", "curves", "--steps", "40"])

    assert status == 0
    assert (tmp_path / "curves.png").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["run", "paratroper"], "unknown optimizer 'paratroper'; did you mean 'paratrooper'"),
        (["run", "adam", "--problem", "rosenbrok"], "did you mean 'rosenbrock'"),
        (["run", "adam", "--problem", "beale:kappa=3"], "kappa"),
        (["run", "adam", "--set", "betta1=1"], "did you mean 'beta1'"),
        (["run", "adam", "--set", "beta1"], "--set needs NAME=VALUE, got 'beta1'"),
        (["run", "adam", "--set", "beta1=2"], "Adam needs 0 <= beta1 < 1, got beta1=2"),
        (["run", "adam", "--lr", "fast"], "--lr needs a number or 'sweep', got 'fast'"),
        (["run", "adam", "--lr", "-1"], "Adam needs finite lr >= 0, got lr=-1.0"),
        (["run", "adam", "--steps", "-3"], "steps >= 0, got steps=-3"),
        (["run", "adam", "--steps", "many"], "an integer is needed, got 'many'"),
        (["run", "adam", "--schedule", "plato"], "'plato'; did you mean 'plateau'"),
        (["run", "adam", "--schedule", "plateau:wait=3"], "got 'wait'"),
        (["run", "adam", "--out", "file", "--steps", "1"], "needs a folder to write to"),
        (["run", "adam", "--problem", "beale", "--minibatch", "4"], "beale"),
        (["explain", "adam", "--step", "0"], "explain needs --step >= 1, got --step=0"),
        (["explain", "adam", "--layer", "y"], "explain needs a layer of rosenbrock, got --layer=y"),
        (["plot", "losses"], "plot losses needs files that 'run' has saved, got none"),
        (["plot", "losses", "no.npz"], "load needs a file that 'run' or Trajectory.save has wri"),
        (["plot", "losses", "no.npz"], "got no.npz, which is not there; by default 'run' writes"),
        (["plot", "losses", "."], "has written, got . (Is a directory); by default 'run' writes "),
        (["run", "adam", "--jobs", "0"], "--jobs: an integer of 1 or more is needed, got '0'"),
        (["run", "adam", "--jobs", "-2"], "--jobs: an integer of 1 or more is needed, got '-2'"),
        (["run", "adam", "--jobs", "two"], "--jobs: an integer of 1 or more is needed, got 'two'"),
        (["plot", "losses", "file"], "load needs a saved trajectory of the format"),
        (["plott"], "did you mean 'plot'? known: run, explain, plot"),
        (["plot", "curve"], "unknown picture 'curve'; did you mean 'curves'"),
        (["run", "--stepz", "3"], "unrecognized arguments: --stepz; did you mean '--steps'"),
        (["run", "adam", "--step", "3"], "unrecognized arguments: --step 3; did"),
        (["run", "adam", "--problem", "quadratic_bowl:kapa=3"], "did you mean 'kappa'"),
        (["run", "paratrooper", "--set", "eps=1" + "0" * 400], "needs finite eps >= 0"),
        (["run", "adam", "--every", "0"], "every >= 1, got every=0"),
        (["run", "adam", "--schedule", "warmup:name=foo"], "got 'name'; "),
        (["run", "adam:sgd"], "only lookahead goes around another optimizer, got adam:sgd"),
        (["run", "lookahead:ranger"], "an inner optimizer without slow weights"),
        (["run", "lookahead:sgdd"], "unknown optimizer 'sgdd'; did you mean 'sgd'"),
        (["run", "adam", "--out", "/proc", "--steps", "1"], "needs a folder to write to"),
        (["explain", "sgd", "--lr", "1", "--step", "7"], "needs a finite"),
        ([], "required"),
        (["run", "adam", "--colour"], "--colour"),
        (["explain", "adam", "--jobs", "3"], "unrecognized arguments: --jobs 3; known: -h"),
        (["run", "qwerty"], "unknown optimizer 'qwerty'; known: sgd, adam"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    command: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, nothing on stdout, nothing written."""
    (tmp_path / "file").write_text("in the way")

    try:
        status = main(command)
    except SystemExit as stopped:
        status = int(stopped.code or 0)

    printed = capsys.readouterr()
    assert status == 2
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("paratrooper-ref")
    assert printed.out == ""
    written = [p for p in tmp_path.rglob("*") if p.name != "file"]
    assert written == []


def test_version_and_module_entry() -> None:
    """``python -m paratrooper_ref --version`` prints the package's version."""
    done = subprocess.run(
        [sys.executable, "-m", "paratrooper_ref", "--version"],
        capture_output=True, text=True, check=True, cwd=Path(pr.__file__).parents[1],
    )

    assert done.stdout == f"paratrooper-ref {pr.__version__}\n"


@pytest.mark.parametrize("verb", [["run", "sgd", "--no-figure"], ["claims", "lookahead"]])
def test_a_folder_keeps_what_is_in_it_and_none_is_left_behind(verb: list[str]) -> None:
    """Whatever a file there is called; a refusal removes what it has made, parents too."""
    Path("kept").mkdir()
    Path("kept/probe").write_text("mine")

    for out in ("kept", "new/inner"):
        bad = ["--steps", "-1"] if verb[0] == "run" else ["--seeds", "9"]
        assert main([*verb, *bad, "--out", out]) == 2

    assert Path("kept/probe").read_text() == "mine"
    assert not Path("new").exists()
