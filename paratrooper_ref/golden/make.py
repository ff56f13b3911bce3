"""From a recipe to a proved case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from paratrooper_ref.golden import certify
from paratrooper_ref.golden.bits import Floats, to_bfloat16, ulp
from paratrooper_ref.golden.certify import balls, decided, lines_of, prove, working
from paratrooper_ref.golden.document import MOST_GROWTH, Golden, Step, Value, kept
from paratrooper_ref.golden.error import Unproved
from paratrooper_ref.golden.recipe import Core, Full, Recipe
from paratrooper_ref.optimizers import State
from paratrooper_ref.optimizers.state import SLOTS, Array

LOOP_BITS: Final = 256
ONE_STEP_BITS: Final = 4096  # what an exact number takes whose ball has a radius


def make(recipe: Recipe) -> Golden:
    """Return the proved case of a recipe.

    Raises
    ------
    Unproved
        If a value or branch is not decided; the case is not admitted.
    """
    try:
        return _core(recipe) if isinstance(recipe, Core) else _full(recipe)
    except Unproved as error:
        msg = f"the case {recipe.case} is not admitted: {error}"
        raise Unproved(msg) from None


def ball_state(state: State) -> State:
    """Return a state of doubles as one of exact balls."""
    slots = [slot for slot in SLOTS if getattr(state, slot) is not None]
    made: dict[str, Any] = {
        slot: {k: balls(x) for k, x in state.slot(slot).items()} for slot in ("theta", *slots)
    }
    return replace(state, params=made.pop("theta"), **made)


def _core(recipe: Core) -> Golden:
    optimizer, state = recipe.optimizer, recipe.start
    slots = ("theta", *optimizer.slots())
    plan = None if recipe.schedule is None else recipe.schedule.init(optimizer.rate(None))
    steps = []
    for feed in recipe.feeds:
        rate = feed.lr
        if recipe.schedule is not None and plan is not None:
            plan, rate = recipe.schedule(plan, state.t + 1, feed.metric)
        lr = optimizer.rate(rate)
        grads = {k: None if g is None else balls(g) for k, g in feed.grads.items()}
        lines, model, after, _ = prove(optimizer, ball_state(state), grads, lr)
        inputs = {
            layer: _given({slot: state.slot(slot)[layer] for slot in slots}, feed.grads[layer])
            for layer in state.params
        }
        steps.append(_step(state, lr, feed.metric, inputs, lines, model))
        state = next_inputs(state, steps[-1], slots, after.warmup)
    return Golden(
        case=recipe.case,
        tier="core",
        about=recipe.about,
        catches=recipe.catches,
        spec=optimizer.spec,
        layers={name: x.shape for name, x in recipe.start.params.items()},
        steps=tuple(steps),
        schedule=None if recipe.schedule is None else recipe.schedule.spec,
    )


def _given(slots: Mapping[str, Array], g: Floats | None) -> dict[str, Value | None]:
    """Return the inputs of a layer, all exact."""
    return {name: None if x is None else _exact(x) for name, x in {**slots, "g": g}.items()}


def step_again(golden: Golden, step: Step) -> tuple[Step, int]:
    """Return a step of a core case proved anew from its stored inputs, and the bits it took.

    Raises
    ------
    Unproved
        If a value or branch is not decided.
    """
    state = golden.state(step)
    grads = {k: None if g is None else balls(g) for k, g in golden.gradients(step).items()}
    found = prove(golden.optimizer, ball_state(state), grads, step.lr)
    again = _step(state, step.lr, step.metric, step.inputs, found.lines, found.model)
    return again, found.bits


def _step(
    state: State,
    lr: float,
    metric: float | None,
    inputs: Mapping[str, Mapping[str, Value | None]],
    lines: Mapping[str, Mapping[str, Value | bool]],
    model: Mapping[str, Value],
) -> Step:
    warmup: Any = state.warmup
    sizes = {name: x.size for name, x in state.params.items()}
    return Step(
        t=state.t + 1,
        lr=lr,
        metric=metric,
        warmup=warmup,
        inputs=inputs,
        lines={
            layer: {tag: x for tag, x in tagged.items() if kept(tag, sizes[layer])}
            for layer, tagged in lines.items()
        },
        model=model,
    )


def next_inputs(state: State, step: Step, slots: tuple[str, ...], warmup: Any) -> State:
    """Return the inputs of the next step of a core case: what came out, in bfloat16."""

    def left(layer: str, slot: str, x: Array) -> Array:
        line = step.lines[layer].get(slot)
        return to_bfloat16(line.hi).reshape(x.shape) if isinstance(line, Value) else x

    made: dict[str, Any] = {
        slot: {layer: left(layer, slot, x) for layer, x in state.slot(slot).items()}
        for slot in slots
    }
    params = made.pop("theta")
    return replace(state, t=step.t, params=params, warmup=warmup, **made)


def _exact(x: Any) -> Value:
    flat = np.asarray(x, dtype=np.float64).ravel()
    return Value(flat, np.zeros(flat.size))


# --------------------------------------------------------------------------- closed loops


def _full(recipe: Full) -> Golden:
    steps = tuple(loop(recipe))
    grown = growth(recipe, [step.lr for step in steps])
    worst = int(np.argmax(grown))
    if grown[worst] > MOST_GROWTH:
        msg = (
            f"a change of the start by one unit in the last place becomes {grown[worst]:.2g} of "
            f"the largest parameter by step {worst + 1}, and at most {MOST_GROWTH:g} is admitted"
        )
        raise Unproved(msg)
    return Golden(
        case=recipe.case,
        tier="full",
        about=recipe.about,
        catches=recipe.catches,
        spec=recipe.optimizer.spec,
        layers=dict(recipe.problem.layers),
        steps=steps,
        problem=recipe.problem.spec,
        schedule=None if recipe.schedule is None else recipe.schedule.spec,
        growth=grown,
    )


def loop(recipe: Full) -> list[Step]:
    """Return the proved steps of a trajectory, in as many bits as it takes.

    Raises
    ------
    Unproved
        If it takes more than 2**14.
    """
    return decided(lambda bits: list(_steps(recipe)), LOOP_BITS, "the trajectory")


def _steps(recipe: Full) -> Iterator[Step]:
    optimizer, problem = recipe.optimizer, recipe.problem
    slots = ("theta", *optimizer.slots())
    start = problem.starts[0]
    state = optimizer.init({name: balls(x) for name, x in start.items()})
    before: dict[str, dict[str, Any]] = {
        layer: {s: _exact(x) for s, x in _floats(state, layer, slots)} for layer in start
    }
    plan = None if recipe.schedule is None else recipe.schedule.init(optimizer.rate(None))
    for t in range(1, recipe.steps + 1):
        metric = rate = None
        if recipe.schedule is not None and plan is not None:
            if recipe.schedule.asks(t):
                loss = np.array([problem.loss(state.params)], dtype=object).ravel()
                metric = float(certify.rounded(loss).hi[0])
            plan, rate = recipe.schedule(plan, t, metric)
        lr = optimizer.rate(rate)
        grads = problem.grad(state.params, t)
        after, found = optimizer.step(state, grads, lr)
        try:
            lines, model = lines_of(found)
        except certify.Open:  # a number that is exact, or nearly so
            with working(ONE_STEP_BITS):
                lines, model = lines_of(optimizer.step(state, grads, lr)[1])
        inputs = {layer: held | {"g": lines[layer]["g"]} for layer, held in before.items()}
        yield _step(state, lr, metric, inputs, lines, model)
        before = {
            layer: {s: lines[layer].get(s, x) for s, x in held.items()}
            for layer, held in before.items()
        }
        state = after


def _floats(state: State, layer: str, slots: tuple[str, ...]) -> Iterator[tuple[str, Floats]]:
    for slot in slots:
        yield slot, state.slot(slot)[layer].astype(np.float64)


def growth(recipe: Full, rates: list[float]) -> Floats:
    """Return what a change of the start by one unit in the last place becomes, step by step.

    Each parameter of the start in turn is moved up by the unit of the largest in its layer (by
    2**-52 in a layer of zeros); of all these trajectories the largest distance of a parameter
    from the unmoved one, relative to the largest of its layer, now or at the start (or to 1, in
    a layer that starts at zero).  Rates are those of the unmoved trajectory.

    Raises
    ------
    Unproved
        If it is not decided by 2**14 bits.
    """
    bits = 2 * LOOP_BITS  # the digits that two trajectories share are lost
    return decided(lambda bits: _growth(recipe, rates), bits, "how a change of the start grows")


def _growth(recipe: Full, rates: list[float]) -> Floats:
    optimizer, problem = recipe.optimizer, recipe.problem
    start = problem.starts[0]
    sizes = {name: float(np.max(np.abs(x))) or 1.0 for name, x in start.items()}
    state = optimizer.init(_moved(start, sizes), batch_axes=1)
    found = []
    for t, lr in enumerate(rates, start=1):
        state, _ = optimizer.step(state, problem.grad(state.params, t), lr)
        if state.alive is None or not state.alive.all():  # it would stand still from here on
            raise certify.Open
        found.append(_spread(state.params, sizes))
    return certify.rounded(np.array(found, dtype=object)).hi


def _moved(start: Mapping[str, Floats], sizes: Mapping[str, float]) -> dict[str, Array]:
    """Return the start in the first row, and a row for each parameter with that one moved."""
    count = sum(np.size(x) for x in start.values())
    rows, row = {}, 1
    for name, x in start.items():
        n = np.size(x)
        units = np.zeros((count + 1, n))
        units[row + np.arange(n), np.arange(n)] = ulp(sizes[name])
        rows[name] = balls(np.tile(np.ravel(x), (count + 1, 1)), units).reshape(-1, *np.shape(x))
        row += n
    return rows


def _spread(params: Mapping[str, Array], sizes: Mapping[str, float]) -> Any:
    largest = None
    for name, x in params.items():
        flat = x.reshape(len(x), -1)
        change = abs(flat[1:] - flat[0]).ravel()
        scale = _largest([type(flat.flat[0])(sizes[name]), *abs(flat[0])])
        moved = _largest(list(change)) / scale
        largest = moved if largest is None else largest.max(moved)
    return largest


def _largest(numbers: list[Any]) -> Any:
    result = numbers[0]
    for x in numbers[1:]:
        result = result.max(x)
    return result
