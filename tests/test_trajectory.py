"""Runs are recorded as asked, stored without loss, and resumed with the same bits."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import paratrooper_ref as pr
import problems
from paratrooper_ref.schedules import Schedule

RUNS: list[tuple[pr.Optimizer, Any, Schedule | None]] = [
    (pr.Paratrooper(lr=1e-2), problems.rosenbrock(), None),
    (pr.Ranger(lr=1e-2), problems.minibatch(problems.diabetes(), size=32, seed=3), None),
    (pr.SGD(lr=1e-3, momentum=0.9), problems.beale(), pr.ReduceOnPlateau(patience=1, epoch=3)),
    (pr.LARS(), problems.linear_net(), pr.FlatThenCosine(steps=40)),
    (pr.Lookahead(inner=pr.LAMB(lr=1e-2), k=5), problems.tanh_net(), pr.LinearWarmup(steps=7)),
    (pr.Paratrooper(lr=1e-2), problems.scalar_factorisation(), None),
    (
        pr.AdamW().for_layers({"b": {"weight_decay": 0, "lr": 0.1}}),
        problems.gradient_noise(problems.linear_regression(n=20, d=3), sigma=0.1, seed=2),
        None,
    ),
]
IDS = [f"{optimizer.algorithm}-{problem.name}" for optimizer, problem, _ in RUNS]


def same_state(a: pr.State, b: pr.State) -> None:
    """Assert that two states hold the same bits."""
    assert (a.t, a.scalars, a.batch_axes) == (b.t, b.scalars, b.batch_axes)
    assert_array_equal(np.asarray(a.warmup), np.asarray(b.warmup))
    for slot in ("params", "m", "v", "u", "slow"):
        of_a, of_b = getattr(a, slot), getattr(b, slot)
        assert (of_a is None) == (of_b is None)
        for name in of_a or {}:
            assert of_a[name].dtype == of_b[name].dtype
            assert of_a[name].tobytes() == of_b[name].tobytes()


def same(a: pr.Trajectory, b: pr.Trajectory) -> None:
    """Assert that two trajectories hold the same bits."""
    assert (a.optimizer, a.schedule, a.stopped) == (b.optimizer, b.schedule, b.stopped)
    assert a.problem.spec == b.problem.spec
    for name in ("t", "losses", "rates"):
        assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ("params", "model"):
        assert getattr(a, name).keys() == getattr(b, name).keys()
        for key, x in getattr(a, name).items():
            assert x.tobytes() == getattr(b, name)[key].tobytes()
    for name in ("slots", "lines"):
        assert getattr(a, name).keys() == getattr(b, name).keys()
        for key, row in getattr(a, name).items():
            assert row.keys() == getattr(b, name)[key].keys()
            for tag, x in row.items():
                assert x.tobytes() == getattr(b, name)[key][tag].tobytes()
    same_state(a.state, b.state)


@pytest.mark.parametrize(("optimizer", "problem", "schedule"), RUNS, ids=IDS)
def test_run_is_the_loop_anyone_would_write(
    optimizer: pr.Optimizer, problem: problems.Problem, schedule: Schedule | None
) -> None:
    """Row t of a run holds what init, grad, the schedule and step give by hand."""
    steps = 20
    state = optimizer.init(problem.starts[0])
    plan = schedule.init(optimizer.rate(None)) if schedule else ()

    trajectory = pr.run(optimizer, problem, steps, schedule=schedule)

    assert_array_equal(trajectory.t, np.arange(steps + 1))
    for t in range(1, steps + 1):
        rate = None
        if schedule:
            plan, rate = schedule(plan, t, float(problem.loss(state.params)))
        gradient = problem.grad(state.params, t)
        state, lines = optimizer.step(state, gradient, rate)
        assert trajectory.losses[t] == problem.loss(state.params)
        assert trajectory.rates[t] == (optimizer.rate(None) if rate is None else rate)
        for name, x in state.params.items():
            assert_array_equal(trajectory.params[name][t], x)
            assert_array_equal(trajectory.lines[name]["g"][t], gradient[name])
            for tag, value in lines[name].items():
                assert_array_equal(trajectory.lines[name][tag][t], value)
    same_state(trajectory.state, state)


@pytest.mark.parametrize(("optimizer", "problem", "schedule"), RUNS, ids=IDS)
def test_resume_from_any_step_gives_the_same_bits(
    optimizer: pr.Optimizer, problem: problems.Problem, schedule: Schedule | None
) -> None:
    """The state, the schedule's state and the draw at (seed, step) are all there is to know."""
    whole = pr.run(optimizer, problem, 20, schedule=schedule)

    for at in whole.t:
        rest = whole.resume(20 - int(at), at=at)

        assert_array_equal(rest.losses, whole.losses[at:])
        same_state(rest.state, whole.state)


@pytest.mark.parametrize(("optimizer", "problem", "schedule"), RUNS, ids=IDS)
def test_save_and_load_lose_nothing(
    optimizer: pr.Optimizer, problem: problems.Problem, schedule: Schedule | None, tmp_path: Path
) -> None:
    """Numbers are stored as they are, and what was run as specs that build it again."""
    saved = pr.run(optimizer, problem, 12, schedule=schedule)

    saved.save(tmp_path / "run.npz")
    loaded = pr.load(tmp_path / "run.npz")

    same(saved, loaded)
    assert_array_equal(loaded.resume(3).losses, saved.resume(3).losses)
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_layers_may_have_any_name(tmp_path: Path) -> None:
    """A file stores layers by number, so slashes, dots and other scripts are only names."""
    plain = problems.linear_net(depth=3)
    names = dict(zip(plain.layers, ("a/b", "about", "δ.npy"), strict=True))

    def renamed(params: Any, to: dict[str, str]) -> dict[str, Any]:
        return {to[name]: x for name, x in params.items()}

    optimizer = pr.Ranger().for_layers({"a/b": {"weight_decay": 0}})
    start = renamed(plain.starts[0], names)
    state = optimizer.init(start)
    back = {new: old for old, new in names.items()}
    problem = dataclasses.replace(
        plain,
        layers=renamed(plain.layers, names),
        starts=(start,),
        minimizers=(),
        critical_points=(),
        domain=None,
        value=lambda p: plain.value(renamed(p, back)),
        slope=lambda p: renamed(plain.slope(renamed(p, back)), names),
    )

    run = pr.run(optimizer, problem, 5, state=state)
    run.save(tmp_path / "run.npz")

    same(run, pr.load(tmp_path / "run.npz"))


@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
def test_other_precisions_keep_their_dtype(dtype: type, tmp_path: Path) -> None:
    """A run computes, records and stores in the dtype it is started in."""
    start: dict[str, Any] = {"x": np.array([-1.2, 1.0], dtype=dtype)}

    run = pr.run(pr.Paratrooper(), problems.rosenbrock(), 10, start=start)
    run.save(tmp_path / "run.npz")

    assert run.losses.dtype == run.params["x"].dtype == dtype
    same(run, pr.load(tmp_path / "run.npz"))


def test_record_keeps_what_is_asked_for() -> None:
    """Tags by name, every n-th time, the last always; 'loss' keeps no arrays at all."""
    optimizer, problem = pr.Paratrooper(), problems.rosenbrock()

    some = pr.run(optimizer, problem, 10, record=("theta", "trust_ratio"), every=4)
    none = pr.run(optimizer, problem, 10, record="loss")

    assert some.t.tolist() == [0, 4, 8, 10]
    assert set(some.lines["x"]) == {"theta", "trust_ratio"}
    assert some.params["x"].shape == (4, 2)
    assert (none.params, none.lines, none.slots) == ({}, {}, {})
    assert none.losses.shape == (11,)
    same_state(some.state, none.state)
    assert_array_equal(none.resume(5).losses[1:], pr.run(optimizer, problem, 15).losses[11:])


def test_a_diverging_run_ends_with_what_it_has() -> None:
    """SGD at rate 1 overflows on Rosenbrock: the run says where, and keeps the steps before."""
    with pytest.warns(RuntimeWarning, match=r"the run ended early: step \d+ needs a finite"):
        run = pr.run(pr.SGD(lr=1.0), problems.rosenbrock(), 50)

    assert run.stopped is not None
    assert 1 < run.t[-1] < 50
    assert np.isfinite(run.params["x"]).all()


def test_a_run_that_ends_between_records_keeps_its_last_step() -> None:
    """The last good step is a row with its rate and lines, and the schedule stands where it was."""
    optimizer, problem = pr.SGD(lr=0.05), problems.rosenbrock()
    plan = pr.ReduceOnPlateau(patience=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        dense = pr.run(optimizer, problem, 40, schedule=plan)
        sparse = pr.run(optimizer, problem, 40, schedule=plan, every=10)

    assert sparse.t.tolist() == [0, int(dense.t[-1])]
    assert sparse.rates[-1] == dense.rates[-1]
    assert_array_equal(sparse.lines["x"]["g"][-1], dense.lines["x"]["g"][-1])
    assert sparse.schedule_states is not None
    assert dense.schedule_states is not None
    assert_array_equal(sparse.schedule_states[-1], dense.schedule_states[-1])
    assert_array_equal(
        dense.schedule_states[-1],
        pr.run(optimizer, problem, int(dense.t[-1]), schedule=plan).schedule_states[-1],  # type: ignore[index]
    )


def test_resume_keeps_what_is_recorded_and_how_often() -> None:
    """A resumed run is recorded as the first one was."""
    run = pr.run(pr.Ranger(), problems.booth(), 8, record=("theta", "rho"), every=4)

    more = run.resume(8)

    assert (more.t.tolist(), more.record, more.every) == ([8, 12, 16], ("theta", "rho"), 4)
    assert set(more.lines["x"]) == {"theta", "rho"}


def test_save_refuses_what_load_could_not_make_again(tmp_path: Path) -> None:
    """A problem that no factory has made has no spec."""
    nameless = dataclasses.replace(problems.booth(), spec={})

    with pytest.raises(ValueError, match="save needs a problem made by a factory"):
        pr.run(pr.Adam(), nameless, 1).save(tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_state_comes_with_its_start_and_scalars() -> None:
    """Either a state or a start: both would contradict each other without a word."""
    state = pr.Adam().init(problems.booth().starts[0])

    with pytest.raises(ValueError, match="either a state or a start with its scalars, got both"):
        pr.run(pr.Adam(), problems.booth(), 1, state=state, scalars="float64")


def test_a_batch_loses_only_the_row_that_diverges(tmp_path: Path) -> None:
    """Rows have the bits of their own runs; the one that overflows is named at the end."""
    start = {"x": np.array([[-1.2, 1.0], [1e80, -1e80], [0.5, 0.5]])}
    optimizer = pr.SGD(lr=1e-3, momentum=0.5)

    with pytest.warns(RuntimeWarning, match="1 of 3 rows became non-finite: 1"):
        batch = pr.run(optimizer, problems.rosenbrock(), 30, start=start)

    for row in (0, 2):
        alone = pr.run(optimizer, problems.rosenbrock(), 30, start={"x": start["x"][row]})
        assert_array_equal(batch.params["x"][:, row], alone.params["x"])
        assert_array_equal(batch.losses[:, row], alone.losses)
    assert batch.state.alive is not None
    assert batch.state.alive.tolist() == [True, False, True]
    batch.save(tmp_path / "batch.npz")
    same(batch, pr.load(tmp_path / "batch.npz"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert_array_equal(batch.resume(10, at=20).losses, batch.losses[20:])


def test_the_first_batch_rule_is_recorded_for_each_row() -> None:
    """The line h is of the model, at step 1 alone, and each row has its own choice."""
    start = {"x": np.array([[-1.2, 1.0], [1.0, 1.0001]])}

    run = pr.run(pr.Paratrooper(), problems.rosenbrock(), 8, start=start)

    assert run.model["h"].shape == (9, 2)
    assert np.isfinite(run.model["h"][1]).all()
    assert np.isnan(run.model["h"][2:]).all()
    assert np.asarray(run.state.warmup).tolist() == ["none", "momentum"]
    same_state(run.resume(4, at=4).state, run.state)


def test_scalars_and_progress_are_passed_on() -> None:
    """The scalar mode is the state's, and progress hears of every step."""
    heard: list[int] = []

    run = pr.run(pr.Adam(), problems.booth(), 3, scalars="float64", progress=heard.append)

    assert run.state.scalars == "float64"
    assert heard == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "run needs an integer steps >= 0, got steps=-1"),
        ({"steps": 2.5}, "run needs an integer steps >= 0, got steps=2.5"),
        ({"every": 0}, "run needs an integer every >= 1, got every=0"),
        ({"record": "everything"}, "'all', 'loss' or names of lines, got record='everything'"),
        ({"record": ("trust_rato",)}, "did you mean 'trust_ratio'"),
        ({"start": {"y": np.zeros(2)}}, "x"),
        ({"start": {"x": np.zeros(3)}}, "shape"),
        ({"scalars": "double"}, "scalars='double'"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    """A run refuses at once what it could only fail at later."""
    with pytest.raises(ValueError, match=message):
        pr.run(pr.Adam(), problems.rosenbrock(), **({"steps": 2} | options))


def test_a_plateau_needs_a_single_trajectory() -> None:
    """One rate for all rows cannot follow many losses."""
    start = {"x": np.zeros((3, 2))}

    with pytest.raises(ValueError, match="needs a single trajectory for ReduceOnPlateau"):
        pr.run(pr.Adam(), problems.booth(), 2, start=start, schedule=pr.ReduceOnPlateau())


def test_state_at_says_what_is_missing() -> None:
    """An unrecorded time, or a run without slots, cannot be resumed there."""
    sparse = pr.run(pr.Adam(), problems.booth(), 9, every=4)
    brief = pr.run(pr.Adam(), problems.booth(), 9, record=("theta",))

    with pytest.raises(ValueError, match=r"needed, got t=3; recorded: 0, 4, 8, \.\.\., 9"):
        sparse.state_at(3)
    with pytest.raises(ValueError, match="run with record='all'"):
        brief.state_at(3)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b'{"a": 1}'])
def test_load_refuses_what_is_no_trajectory(content: bytes, tmp_path: Path) -> None:
    """A file of another kind is a ValueError that names it, and nothing is unpickled."""
    path = tmp_path / "other.npz"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"load needs a saved trajectory .*, got .*other\.npz"):
        pr.load(path)


def test_load_refuses_pickles_and_other_formats(tmp_path: Path) -> None:
    """Object arrays stay closed, and a format of the future is named."""
    objects, future = tmp_path / "objects.npz", tmp_path / "future.npz"
    np.savez(objects, about=np.array({"format": 1}, dtype=object))
    np.savez(future, about=np.array(json.dumps({"format": "paratrooper-ref trajectory 9"})))

    with pytest.raises(ValueError, match="load needs"):
        pr.load(objects)
    with pytest.raises(ValueError, match="got 'paratrooper-ref trajectory 9'"):
        pr.load(future)


def test_load_refuses_what_does_not_belong_together(tmp_path: Path) -> None:
    """Every part of a file is needed, and each has its shape: a ValueError names the file."""
    path = tmp_path / "run.npz"
    pr.run(pr.Ranger(), problems.booth(), 4, schedule=pr.LinearWarmup(steps=3)).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    broken: list[dict[str, Any]] = [
        {"about": np.array(json.dumps({k: v for k, v in about.items() if k != gone}))}
        for gone in about
    ]
    wrong: list[dict[str, Any]] = [{"t": "a"}, {"t": 99}, {"batch_axes": 5}, {"warmup": "foo"}]
    wrong += [{"layers": []}, {"scalars": "foo"}]
    broken += [{"about": np.array(json.dumps(about | changed))} for changed in wrong]
    broken += [{name: None} for name in ("t", "losses", "rates", "state/theta/0", "state/slow/0")]
    broken += [{"rates": np.array(["a"] * 5)}, {"losses": np.zeros(3)}, {"state/m/0": np.zeros(7)}]

    for part in broken:
        kept = {k: v for k, v in (arrays | part).items() if v is not None}
        np.savez(path, **kept)
        with pytest.raises(ValueError, match="load needs a saved trajectory"):
            pr.load(path)


def test_a_failed_save_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file takes the old one's place only when all of it is written."""
    path = tmp_path / "run.npz"
    run = pr.run(pr.Adam(), problems.booth(), 3)
    run.save(path)
    before = path.read_bytes()

    def full(file: Any, **_: Any) -> None:
        file.write(b"half")
        msg = "no space left on device"
        raise OSError(msg)

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space left"):
        run.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize("start", [[3, -2], (3.0, -2.0), np.array([3.0, -2.0]), 3, "origin"])
def test_a_start_without_its_layers_is_refused(start: Any) -> None:
    """With what a start is, and how it is written for this problem."""
    with pytest.raises(TypeError, match="run needs a start as arrays by layer, got") as found:
        pr.run(pr.Adam(), problems.rosenbrock(), 3, start=start)

    assert f"got start={start!r}; " in str(found.value)
    assert str(found.value).endswith("; write start={'x': [-1.2, 1.0]}")
    with pytest.raises(TypeError, match=r"; write start={'W1': array of shape \(3, 3\), 'W2': "):
        pr.run(pr.Adam(), problems.linear_net(), 3, start=start)


def test_a_file_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    """Without the number that a system has for it; it remains the error that a caller expects."""
    with pytest.raises(FileNotFoundError, match=r"^load needs a file .* got .*no\.npz, which is"):
        pr.load(tmp_path / "no.npz")
    with pytest.raises(IsADirectoryError, match=r"^load needs a file .* got .* \(Is a directo"):
        pr.load(tmp_path)
