"""Runs: an optimizer on a problem, recorded, stored, and resumed with the same bits."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, cast

import numpy as np

from paratrooper_ref.files import replacing, unread
from paratrooper_ref.lines import MODEL_TAGS, TAGS
from paratrooper_ref.optimizers import Lines, NonFiniteError, Optimizer, State, build
from paratrooper_ref.optimizers.admit import admitted_state
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.state import Array
from paratrooper_ref.schedules import Schedule, ScheduleState, build_schedule

if TYPE_CHECKING:
    from problems import Problem

FORMAT: Final = "paratrooper-ref trajectory 1"
Record = Literal["all", "loss"] | Collection[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """What a run has recorded; row i of every array belongs to time ``t[i]``.

    Parameters
    ----------
    optimizer, problem, schedule, record, every
        What was run, and what was kept of it.
    t : Array of int, shape (rows,)
        Times recorded, from the start (usually 0) to the last step taken.
    losses : Array, shape (rows, *batch)
        The loss at the parameters of that time.
    rates : Array, shape (rows,)
        The effective learning rate of the step that led there; NaN in the first row.
    params : mapping of str to Array, shape (rows, *batch, *layer)
        Parameters by layer; empty if not recorded.
    slots : mapping of str to mapping of str to Array
        State slots by name and layer; empty unless everything was recorded.
    lines : mapping of str to mapping of str to Array
        Tagged lines of the step that led there, by layer and tag; NaN where a line was absent.
        ``rectified`` is 1 or 0.
    model : mapping of str to Array
        Lines of the whole model, by tag.
    schedule_states : Array, shape (rows, n), or None
        The schedule's state after each of these times.
    alive : Array of bool, shape (rows, *batch), or None
        With a batch: which rows were still finite.
    state : State
        The last state, from which the run can go on.
    stopped : str or None
        Why the run, or some rows of its batch, ended before the last step, if they did.
    """

    optimizer: Optimizer
    problem: Problem
    schedule: Schedule | None
    record: Record
    every: int
    t: Array
    losses: Array
    rates: Array
    params: Mapping[str, Array]
    slots: Mapping[str, Mapping[str, Array]]
    lines: Mapping[str, Mapping[str, Array]]
    model: Mapping[str, Array]
    schedule_states: Array | None
    alive: Array | None
    state: State
    stopped: str | None = None

    def __repr__(self) -> str:
        what = f"{self.optimizer.name} on {self.problem.name}, t = {_span(self.t)}"
        return f"<trajectory of {what}{'; ' + self.stopped if self.stopped else ''}>"

    def state_at(self, t: int) -> State:
        """Return the state after step t.

        Raises
        ------
        ValueError
            If t is not a recorded time, or the slots were not recorded.
        """
        if t == self.state.t:
            return self.state
        row = self._row(t)
        if not self.slots and self.optimizer.slots():
            msg = f"state_at needs the slots, got record={self.record!r}; run with record='all'"
            raise ValueError(msg)
        last = self.state
        return State(
            params={name: x[row, ...] for name, x in self.params.items()},
            t=int(t),
            warmup=last.warmup if t > 0 else None,
            scalars=last.scalars,
            batch_axes=last.batch_axes,
            alive=None if self.alive is None else self.alive[row, ...],
            **{s: {n: x[row, ...] for n, x in layers.items()} for s, layers in self.slots.items()},
        )

    def resume(
        self, steps: int, at: int | None = None, *, progress: Callable[[int], object] | None = None
    ) -> Trajectory:
        """Return the run of ``steps`` more steps from time ``at``, by default the last.

        Its first row is that time; what was before stays in this trajectory.  The bits are those
        of a run that was never interrupted.

        Raises
        ------
        ValueError
            If the state at that time was not recorded.
        """
        at = int(self.t[-1]) if at is None else at
        plan = None
        if self.schedule_states is not None:
            plan = tuple(float(x) for x in self.schedule_states[self._row(at)])
        return run(
            self.optimizer,
            self.problem,
            steps,
            schedule=self.schedule,
            schedule_state=plan,
            record=self.record,
            every=self.every,
            state=self.state_at(at),
            progress=progress,
        )

    def save(self, path: str | Path) -> None:
        """Write the trajectory to an npz file, whole or not at all; no pickle is involved.

        Raises
        ------
        TypeError
            If it holds Python objects (balls, fractions), which npz cannot.
        ValueError
            If its problem was not made by a factory, so that `load` could not make it again.
        """
        if not self.problem.spec:
            msg = f"save needs a problem made by a factory of problems, got {self.problem!r}"
            raise ValueError(msg)
        last = self.state
        number = {name: i for i, name in enumerate(last.params)}  # a name may hold anything
        arrays: dict[str, Array] = {"t": self.t, "losses": self.losses, "rates": self.rates}
        arrays |= {f"model/{tag}": x for tag, x in self.model.items()}
        final = {slot: last.slot(slot) for slot in ("theta", *self.optimizer.slots())}
        by_layer = {"params": {"theta": self.params}, "slots": self.slots, "state": final}
        for part, table in by_layer.items():
            for slot, layers in table.items():
                arrays |= {f"{part}/{slot}/{number[name]}": x for name, x in layers.items()}
        for name, tags in self.lines.items():
            arrays |= {f"lines/{tag}/{number[name]}": x for tag, x in tags.items()}
        if self.schedule_states is not None:
            arrays["schedule_states"] = self.schedule_states
        if self.alive is not None:
            arrays["alive"] = self.alive
        if isinstance(last.warmup, np.ndarray):
            arrays["state_warmup"] = last.warmup
        for name, x in arrays.items():
            if x.dtype.hasobject:
                msg = f"save needs numbers that npz can hold, got Python objects in {name}"
                raise TypeError(msg)
        about = {
            "format": FORMAT,
            "optimizer": self.optimizer.spec,
            "problem": dict(self.problem.spec),
            "schedule": self.schedule and self.schedule.spec,
            "record": self.record if isinstance(self.record, str) else sorted(self.record),
            "every": self.every,
            "stopped": self.stopped,
            "layers": list(last.params),
            "t": last.t,
            "warmup": None if isinstance(last.warmup, np.ndarray) else last.warmup,
            "scalars": last.scalars,
            "batch_axes": last.batch_axes,
        }
        with replacing(Path(path)) as file:
            np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]

    def _row(self, t: int) -> int:
        rows = np.flatnonzero(self.t == t)
        if not rows.size:
            msg = f"a recorded time is needed, got t={t}; recorded: {_span(self.t)}"
            raise ValueError(msg)
        return int(rows[0])


def run(
    optimizer: Optimizer,
    problem: Problem,
    steps: int,
    *,
    start: Mapping[str, Any] | None = None,
    schedule: Schedule | None = None,
    record: Record = "all",
    every: int = 1,
    scalars: str | None = None,
    state: State | None = None,
    schedule_state: ScheduleState | None = None,
    progress: Callable[[int], object] | None = None,
) -> Trajectory:
    """Run an optimizer on a problem and return what happened.

    Parameters
    ----------
    optimizer : Optimizer
    problem : problems.Problem
        Its gradient at step t is ``problem.grad(params, t)``.
    steps : int
        Steps to take, >= 0.
    start : mapping of str to array, optional
        Where to begin, by layer; leading axes make a batch.  By default the problem's start.
    schedule : Schedule, optional
        Gives the effective learning rate of each step.
    record : "all", "loss", or names of lines
        What is kept besides losses and rates: everything (parameters, slots, lines), nothing, or
        the parameters ("theta") and the lines named.  A million steps of "loss" take 24 MB in the
        end and some 200 MB on the way; with ``every`` less.
    every : int
        Keep each time that is a multiple of it, besides the first and the last, >= 1.
    scalars : {"exact", "float64", "array"}, optional
        As in `Optimizer.init`.
    state : State, optional
        Begin from here; then ``start`` and ``scalars`` are the state's.
    schedule_state : tuple of float, optional
        Where the schedule was; `Trajectory.resume` knows.
    progress : callable, optional
        Called with the number of steps taken, after each.

    Returns
    -------
    Trajectory
        Up to where it became non-finite, if it did: then ``stopped`` says why, with a warning.
        In a batch only the row stops; ``state.alive`` names it.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import problems
    >>> import paratrooper_ref as pr
    >>> trajectory = pr.run(pr.SGD(lr=0.05), problems.booth(), steps=20)
    >>> print(trajectory.t[-1], trajectory.losses[0], round(float(trajectory.losses[-1]), 4))
    20 170.0 1.4485
    """
    record = record if isinstance(record, str) else tuple(record)
    check_run(optimizer, problem, schedule, steps=steps, every=every, record=record, start=start)
    steps, every = int(steps), int(every)
    if state is not None and not (start is None and scalars is None):
        msg = "run needs either a state or a start with its scalars, got both"
        raise ValueError(msg)
    if state is None:
        begin = problem.starts[0] if start is None else start
        shapes = list(problem.layers.items())
        axes = 0
        if shapes and shapes[0][0] in begin:
            axes = np.ndim(begin[shapes[0][0]]) - len(shapes[0][1])
        _loss(problem, {name: np.asarray(x) for name, x in begin.items()})  # refuses what is amiss
        state = optimizer.init(begin, scalars=scalars or "exact", batch_axes=max(axes, 0))
    if schedule is not None:
        if schedule.metric is not None and state.batch_axes:
            msg = f"run needs a single trajectory for {type(schedule).__name__}, got a batch"
            raise ValueError(msg)
        if schedule_state is None:
            schedule_state = schedule.init(optimizer.rate(None))

    kept = _Recorder(optimizer, record, every, state.t + steps)
    kept.keep(state, _loss(problem, state.params), None, Lines({}, {}), schedule_state)
    stopped = rate = None
    lines = Lines({}, {})
    for done in range(1, steps + 1):
        t, plan, next_rate = state.t + 1, schedule_state, None
        if schedule is not None and schedule_state is not None:
            metric = float(_loss(problem, state.params)) if schedule.asks(t) else None
            plan, next_rate = schedule(schedule_state, t, metric)
        try:
            with np.errstate(all="ignore"):  # the step names what is not finite
                gradient = problem.grad(state.params, t)
            state, lines = optimizer.step(state, gradient, next_rate)
        except NonFiniteError as error:
            stopped = str(error)
            break
        schedule_state, rate = plan, optimizer.rate(next_rate)
        if kept.wanted(t):
            kept.keep(state, _loss(problem, state.params), rate, lines, schedule_state)
        if progress is not None:
            progress(done)
    if stopped:
        if kept.times[-1] != state.t:
            kept.keep(state, _loss(problem, state.params), rate, lines, schedule_state)
        warnings.warn(f"the run ended early: {stopped}", RuntimeWarning, stacklevel=2)
    elif state.alive is not None and not state.alive.all():
        dead = [tuple(int(i) for i in row) for row in np.argwhere(~state.alive)]
        named = ", ".join(str(row[0] if len(row) == 1 else row) for row in dead[:10])
        stopped = f"{len(dead)} of {state.alive.size} rows became non-finite: {named}" + (
            ", ..." if len(dead) > 10 else ""
        )
        warnings.warn(stopped, RuntimeWarning, stacklevel=2)
    return kept.trajectory(optimizer, problem, schedule, state, stopped)


def load(path: str | Path) -> Trajectory:
    """Read a trajectory that `Trajectory.save` has written.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a trajectory of this format.
    """
    try:
        with Path(path).open("rb") as file:
            return _read(file, path)
    except OSError as error:
        msg = (
            "load needs a file that 'run' or Trajectory.save has written, got "
            f"{unread(Path(path), error)}; by default 'run' writes to paratrooper-run"
        )
        raise type(error)(msg) from error


def _read(file: BinaryIO, path: str | Path) -> Trajectory:
    import problems  # here, so that the package itself needs only NumPy

    try:
        with np.load(file, allow_pickle=False) as parts_of:
            arrays = {name: parts_of[name] for name in parts_of.files}
        about = json.loads(str(arrays.pop("about")))
        found = about["format"]
        return _loaded(arrays, about, problems.build(about["problem"]))
    except Exception as error:  # zip, zlib, numpy, json, a missing part: each its own
        of_another = "found" in locals() and found != FORMAT
        what = f"got {found!r} in {path}" if of_another else f"got {path} ({error!r})"
        msg = f"load needs a saved trajectory of the format {FORMAT!r}, {what}"
        raise ValueError(msg) from error


def _loaded(arrays: dict[str, Array], about: dict[str, Any], problem: Problem) -> Trajectory:
    """Put the parts of a file together; what does not fit together is refused."""
    parts: dict[str, Any] = {"params": {}, "slots": {}, "lines": {}, "model": {}, "state": {}}
    for name, x in arrays.items():
        part, *rest = name.split("/")
        if part == "model":
            parts[part][rest[0]] = x
        elif part in parts:
            layer = about["layers"][int(rest[1])]
            parts[part].setdefault(rest[0], {})[layer] = x
    last, record = parts.pop("state"), about["record"]
    parts["params"] = parts["params"].get("theta", {})
    parts["lines"] = {
        name: {tag: layers[name] for tag, layers in parts["lines"].items() if name in layers}
        for name in (about["layers"] if record != "loss" else ())
    }
    state = State(
        params=last.pop("theta"),
        t=about["t"],
        warmup=arrays.get("state_warmup", about["warmup"]),
        scalars=about["scalars"],
        batch_axes=about["batch_axes"],
        alive=arrays["alive"][-1] if "alive" in arrays else None,
        **last,
    )
    optimizer, rows = build(about["optimizer"]), len(arrays["t"])
    state = admitted_state(optimizer, state)
    of_rows = [arrays["losses"], arrays["rates"], *parts["params"].values()]
    tables = [*parts["slots"].values(), *parts["lines"].values()]
    of_rows += [x for table in tables for x in table.values()]
    numeric = all(x.dtype.kind in "fib" for x in (arrays["t"], *of_rows))
    if not numeric or any(len(x) != rows for x in of_rows) or arrays["t"][-1] != state.t:
        msg = "its arrays do not belong together"
        raise ValueError(msg)
    return Trajectory(
        optimizer=optimizer,
        problem=problem,
        schedule=about["schedule"] and build_schedule(about["schedule"]),
        record=record if isinstance(record, str) else tuple(record),
        every=about["every"],
        t=arrays["t"],
        losses=arrays["losses"],
        rates=arrays["rates"],
        schedule_states=arrays.get("schedule_states"),
        alive=arrays.get("alive"),
        state=state,
        stopped=about["stopped"],
        **parts,
    )


def _start(problem: Problem) -> str:
    """Return how a start of a problem is written."""
    layers = ", ".join(
        f"{name!r}: {np.asarray(x).tolist() if problem.size <= 4 else f'array of shape {x.shape}'}"
        for name, x in problem.starts[0].items()
    )
    return f"start={{{layers}}}"


def _loss(problem: Problem, params: Mapping[str, Array]) -> Any:
    with np.errstate(all="ignore"):  # a loss may overflow before the parameters do
        return problem.loss(params)


class _Recorder:
    """Rows of a trajectory as they come."""

    def __init__(self, optimizer: Optimizer, record: Record, every: int, last: int) -> None:
        self.everything = record == "all"
        self.tags = tuple(TAGS) if record == "all" else () if record == "loss" else tuple(record)
        self.record, self.every, self.last = record, every, last
        self.slot_names = optimizer.slots() if self.everything else ()
        self.times: list[int] = []
        self.losses: list[Any] = []
        self.rates: list[float] = []
        self.states: list[State] = []
        self.lines: list[Lines] = []
        self.schedule_states: list[ScheduleState | None] = []
        self.alive: list[Array | None] = []

    def wanted(self, t: int) -> bool:
        return t % self.every == 0 or t == self.last

    def keep(
        self,
        state: State,
        loss: Any,
        rate: float | None,
        lines: Lines,
        schedule_state: ScheduleState | None,
    ) -> None:
        self.times.append(state.t)
        self.losses.append(loss)
        self.rates.append(np.nan if rate is None else rate)
        self.schedule_states.append(schedule_state)
        self.alive.append(state.alive)
        if self.tags:
            self.states.append(state)
            wanted = {
                layer: {tag: x for tag, x in tagged.items() if tag in self.tags}
                for layer, tagged in lines.items()
            }
            self.lines.append(Lines(wanted, lines.model))

    def trajectory(
        self,
        optimizer: Optimizer,
        problem: Problem,
        schedule: Schedule | None,
        state: State,
        stopped: str | None,
    ) -> Trajectory:
        states = self.states
        layers = tuple(state.params) if "theta" in self.tags else ()
        scheduled = schedule is not None
        return Trajectory(
            optimizer=optimizer,
            problem=problem,
            schedule=schedule,
            record=self.record,
            every=self.every,
            t=np.array(self.times),
            losses=np.array(self.losses),
            rates=np.array(self.rates),
            params={name: np.stack([s.params[name] for s in states]) for name in layers},
            slots={
                slot: {name: np.stack([s.slot(slot)[name] for s in states]) for name in layers}
                for slot in self.slot_names
            },
            lines={
                name: _columns([lines.get(name, {}) for lines in self.lines], TAGS)
                for name in (state.params if self.tags else ())
            },
            model=_columns([lines.model for lines in self.lines], MODEL_TAGS),
            schedule_states=np.array(self.schedule_states) if scheduled else None,
            alive=None if state.alive is None else np.stack(self.alive),  # type: ignore[arg-type]
            state=state,
            stopped=stopped,
        )


def _columns(rows: list[dict[str, Any]], tags: Collection[str]) -> dict[str, Array]:
    """Return one array a tag, NaN where a row does not have it."""
    columns = {}
    for tag in tags:
        example = next((row[tag] for row in rows if tag in row), None)
        if example is None:
            continue
        if isinstance(example, bool):
            example = float(example)
        absent = np.full(np.shape(example), np.nan, dtype=np.asarray(example).dtype)
        columns[tag] = np.array([np.asarray(row.get(tag, absent), absent.dtype) for row in rows])
    return columns


def check_run(
    optimizer: object,
    problem: object,
    schedule: object,
    *,
    steps: object,
    every: object,
    record: Record = "all",
    start: object = None,
) -> None:
    """Refuse what `run` could only fail at later.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as `run` has it.
    """
    if not isinstance(optimizer, Optimizer):
        msg = f"run needs an optimizer, such as Adam(), got optimizer={optimizer!r}"
        raise TypeError(msg)
    if not hasattr(problem, "grad") or not hasattr(problem, "loss"):
        msg = f"run needs a problem, such as problems.booth(), got problem={problem!r}"
        raise TypeError(msg)
    if schedule is not None and not isinstance(schedule, Schedule):
        msg = f"run needs a schedule, such as ReduceOnPlateau(), got schedule={schedule!r}"
        raise TypeError(msg)
    if start is not None and not isinstance(start, Mapping):
        written = _start(cast("Problem", problem))
        msg = f"run needs a start as arrays by layer, got start={start!r}; write {written}"
        raise TypeError(msg)
    wanted: list[tuple[str, object, int]] = [("steps", steps, 0), ("every", every, 1)]
    for name, value, least in wanted:
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            msg = f"run needs an integer {name} >= {least}, got {name}={value!r}"
            raise ValueError(msg)
    if isinstance(record, str):
        if record not in ("all", "loss"):
            msg = f"run needs record 'all', 'loss' or names of lines, got record={record!r}"
            raise ValueError(msg)
    else:
        for tag in record:
            if tag not in TAGS:
                msg = f"run needs names of lines in record, got {tag!r}; {nearest(str(tag), TAGS)}"
                raise ValueError(msg)


def _span(t: Array) -> str:
    shown = [int(x) for x in t[:3]]
    return ", ".join(map(str, shown)) + (f", ..., {int(t[-1])}" if t.size > 3 else "")


__all__ = ["Trajectory", "load", "run"]
