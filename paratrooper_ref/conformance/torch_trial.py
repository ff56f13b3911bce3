"""What is learnt of optimizers of torch from a few steps of small ones.

Where one keeps its state, and whether it can be set; in which dtypes; and what a wrapper wraps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cached_property
from itertools import product
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance.arguments import DECOUPLED
from paratrooper_ref.conformance.backend import Array, Unsupported
from paratrooper_ref.conformance.cells import Path, layer_of, name_of, parts
from paratrooper_ref.conformance.layout import (
    LIKE,
    NAMES,
    PERIOD,
    STEPS,
    Course,
    Layout,
    alike,
    copied,
    counts_in,
    look,
    named,
    reference,
)
from paratrooper_ref.conformance.profile import DTYPES
from paratrooper_ref.conformance.torch_making import (
    SOME_RATE,
    Handle,
    array,
    dtype_of,
    rounded,
    the_torch,
)
from paratrooper_ref.conformance.torch_state import Keeper, at_first
from paratrooper_ref.conformance.verdict import said
from paratrooper_ref.optimizers import OPTIMIZERS, Lookahead, Optimizer

INSIDE: Final = ("sgd", "adam", "adamw", "radam", "radamw", "lars", "lamb")
"""What a wrapper may wrap."""

MOST_FIRST: Final = ("paratrooper", "rangerlars", "ranger", "lookahead", *reversed(INSIDE))
"""Those with the most slots first."""

SOME: Final = {"w": np.array([[1.0, 0.5], [0.75, 2.0]]), "b": np.array([1.5, 1.0])}
SAME: Final = 4  # roundings by which a state that went out and in again may differ


ID: Final = re.compile(r"\b[0-9]{9,}\b")  # another one each time


class Learner:
    """What finds out about the optimizers of a `TorchBackend`, where it was not told."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper, self.maker = keeper, keeper.maker
        self._layouts: dict[str, Layout] = {}

    def refuse(self, ours: Optimizer) -> None:
        """Refuse what the optimizers of the factory are not, though they take its arguments.

        Raises
        ------
        Unsupported
            If they wrap another optimizer.
        """
        if ours.inner is not None and self.inners and ours.inner.algorithm not in self.inners:
            msg = f"wraps {' or '.join(self.inners)}, not {ours.inner.algorithm}"
            raise Unsupported(msg)

    # ------------------------------------------------------------------ where the state is

    def layout(self, ours: Optimizer, params: Mapping[str, Any]) -> Layout:
        """Return where an optimizer keeps the state of such parameters."""
        small, dims = _small(ours), {layer: np.ndim(x) for layer, x in params.items()}
        key = repr((small, dims))
        if key not in self._layouts:
            try:
                self._layouts[key] = self._learnt(small, dims)
            except Exception as error:
                # Not what was asked, so not to be raised: the steps that are will tell.
                why = f"a small one raises {ID.sub('an id', said(error))}"
                self._layouts[key] = Layout(whole=why)
        return self._layouts[key]

    def _learnt(self, ours: Optimizer, dims: Mapping[str, int]) -> Layout:
        period = int(self.maker.fixed.get("k", ours.hyper().get("k", PERIOD)))
        steps = max(STEPS, period + 2)
        rng = np.random.default_rng(0)
        start = {k: rng.uniform(0.5, 2.0, (2,) * n) for k, n in dims.items()}
        # Second moments have to fall too, or a running maximum of them would not show.
        grads = [
            {k: np.array(rng.uniform(0.25, 1.0, x.shape) / 4 ** (t % 3)) for k, x in start.items()}
            for t in range(steps)
        ]

        handle, course = self.maker.begun(ours, start), Course()
        for g in grads:
            self._step(handle, g)
            course.params.append({k: copied(p) for k, p in handle.params.items()})
            course.seen.append(look(handle.optimizer, handle.params))
        layout = self._recognised(handle, course, grads, period)
        return replace(layout, whole=self._tried(ours, start, grads, course, layout))

    def _step(self, handle: Handle, grads: Mapping[str, Array]) -> None:
        tensors = {layer: self.maker.tensor(g) for layer, g in grads.items()}
        self.keeper.step(handle, tensors, SOME_RATE)

    def _recognised(
        self, handle: Handle, course: Course, grads: list[dict[str, Array]], period: int
    ) -> Layout:
        """Return where an optimizer that has taken a course has what the reference has."""
        start = {k: array(x) for k, x in handle.began.items()}
        doubles = {k: x.astype(np.float64) for k, x in start.items()}
        wanted = reference(handle.ours, doubles, grads, SOME_RATE)
        ids = {id(p): layer for layer, p in handle.params.items()}
        order = [ids[id(p)] for g in handle.optimizer.param_groups for p in g["params"]]
        params = {layer: handle.params[layer] for layer in order}
        last = course.seen[-1]
        slots: dict[str, dict[str, Path]] = {}
        first: dict[str, int] = {}
        for slot in self.keeper.kept(handle.ours):
            if self.keeper.reader(slot) is not None:
                continue
            told = self.keeper.name(slot)
            found = named(last, params, (told,) if told else NAMES[slot])
            if not found and told is None and slot in wanted:
                taken = {path for paths in slots.values() for path in paths.values()}
                free = {path: x for path, x in last.items() if path not in taken}
                found = alike(free, wanted[slot], at_first(slot, start))
            if found:
                slots[slot] = found
                path = next(iter(found.values()))
                first[slot] = 1 + next(i for i, seen in enumerate(course.seen) if path in seen)
        counts = counts_in(course, period)
        if (told := self.keeper.name("t")) is not None:
            counts = tuple(count for count in counts if name_of(count.path) == told)
        return Layout(slots=slots, first=first, period=period, counts=counts)

    # ------------------------------------------------------------------ whether it can be set

    def _tried(
        self, ours: Optimizer, start: Mapping[str, Any], grads: list[dict[str, Array]],
        course: Course, layout: Layout,
    ) -> str:
        """Return why a state cannot be set, or "": go on from states of the course, and compare."""
        first = replace(self.maker.begun(ours, start), layout=layout)
        for t, g in enumerate(grads):
            if t:
                self._step(first, grads[t - 1])
            elif "theta" not in self.keeper.where:
                continue  # parameters alone are given at the start
            weights = self.keeper.weights(first)
            state: dict[str, Any] = {"t": t, "theta": weights}
            for slot in ours.slots():
                seen = self.keeper.slot(first, slot) if t else {}
                state[slot] = at_first(slot, weights) | {k: array(x) for k, x in seen.items()}
            second = replace(self.maker.begun(ours, weights), layout=layout)
            self.maker.set_rates(second, SOME_RATE)
            second = self.keeper.set(second, state)
            self._step(second, g)
            # In a coarse dtype a moment that was lost may be no more than a few roundings.
            roundings = 0 if self._unseen(layout, second) else SAME
            if (what := _apart(course, layout, second, t, roundings)) is not None:
                return self._why(course, layout, second, what)
        return ""

    def _unseen(self, layout: Layout, handle: Handle) -> list[tuple[str, str]]:
        """Return the slots that are not found, in all layers or in some, and how to say so."""
        unseen = []
        for slot in self.keeper.kept(handle.ours):
            lacking = handle.params.keys() - layout.slots.get(slot, {}).keys()
            if lacking and self.keeper.reader(slot) is None:
                some = f" of layer {min(lacking)!r}" if slot in layout.slots else ""
                unseen.append((slot, f"{slot}{some}"))
        return unseen

    def _why(self, course: Course, layout: Layout, handle: Handle, what: str) -> str:
        """Return what is not known of an optimizer that goes on otherwise, and how to tell it."""
        if unseen := self._unseen(layout, handle):
            are = "is" if len(unseen) == 1 else "are"
            told = ", ".join(f'"{slot}": ...' for slot, _ in unseen)
            said = ", ".join(what for _, what in unseen)
            return f"{said} {are} not found; say where: state={{{told}}}"
        if not layout.counts and self.keeper.reader("t") is None:
            return 'no count of steps is found; say how to set it: state={"t": (read, write)}'
        said = f"it goes on with another {what} than one that took the steps"
        masters = "" if "theta" in self.keeper.where else _masters(course, layout)
        return said + (
            f'; if {masters} is master weights, say so: state={{"theta": "{masters}"}}'
            if masters else ""
        )

    # ------------------------------------------------------------------ what else is learnt

    def widths(self) -> dict[str, str]:
        """Return the dtypes in which slots are stored, where they are not all the same."""
        keeper, found, widths = self.keeper, set[Path](), dict[str, str]()
        for algorithm, momentum in product(MOST_FIRST, (0.5, 0.0)):
            try:
                inner = next(iter(self.inners), None)
                ours = _some(algorithm, inner, momentum=momentum, weight_decay=0.0)
                handle = self.maker.begun(ours, SOME)
                for _ in range(STEPS):
                    self._step(handle, {k: np.full_like(x, 0.5) for k, x in SOME.items()})
            except Exception:
                continue  # not what it is, or not without what it lacks
            shapes = {tuple(p.shape) for p in handle.params.values()}
            seen = look(handle.optimizer, handle.params).values()
            tensors = [x for x in seen if hasattr(x, "shape") and tuple(x.shape) in shapes]
            asked = any(keeper.reader(slot) is not None for slot in keeper.kept(ours))
            if not asked and all(dtype_of(x) == self.maker.dtype for x in tensors):
                return {}
            handle = replace(handle, layout=self.layout(ours, SOME))
            for slot in keeper.kept(ours):
                at = set(handle.layout.slots.get(slot, {}).values())
                tensor = next(iter(keeper.slot(handle, slot).values()), None)
                if tensor is not None and dtype_of(tensor) in DTYPES and not at & found:
                    widths.setdefault(slot, dtype_of(tensor))
                    found |= at
        return widths

    @cached_property
    def inners(self) -> tuple[str, ...]:
        """What it wraps, as it was told, or the class of that or else its first steps tell."""
        if "inner" in self.maker.fixed:
            return (self.maker.fixed["inner"],)
        found = []
        for algorithm in INSIDE:
            for decay in (0.5, 0.0):
                inner = _some(algorithm, momentum=0.0, weight_decay=decay)
                try:
                    handle = self.maker.begun(Lookahead(inner=inner, k=PERIOD), SOME)
                except Exception:
                    continue  # it has no such decay, or is nothing like that
                wrapped = [_called(part) for path, part in parts(handle.optimizer) if path]
                known = [name for name in wrapped if name in INSIDE]
                if algorithm in known if known else self._moves_as(handle):
                    found.append(algorithm)
                break
        return tuple(found)

    def _moves_as(self, handle: Handle) -> bool:
        """Return whether a wrapper's steps before it synchronises are about the reference's."""
        if self.maker.fixed.get("k", PERIOD) < PERIOD:
            return False
        grads = [{k: 0.25 + x / 4**t for k, x in SOME.items()} for t in range(PERIOD - 1)]
        try:
            for g in grads:
                self._step(handle, g)
        except Exception:
            return False  # the steps that are asked will tell
        wanted = reference(handle.ours, SOME, grads, SOME_RATE)["theta"]
        return all(
            np.linalg.norm(array(handle.params[k], float) - wanted[k])
            <= LIKE * np.linalg.norm(wanted[k] - x)
            for k, x in SOME.items()
        )


def _apart(
    course: Course, layout: Layout, handle: Handle, t: int, roundings: float
) -> str | None:
    """Return what is another than after that step of a course, by more than some roundings."""
    now = look(handle.optimizer, handle.params)
    pairs = [("theta", course.params[t][k], p) for k, p in handle.params.items()]
    for slot, paths in layout.slots.items():
        both = [path for path in paths.values() if path in course.seen[t] and path in now]
        pairs += [(slot, course.seen[t][path], now[path]) for path in both]
    for what, a, b in pairs:
        x, y = (array(z, np.dtype(np.float64)) for z in (a, b))
        unit = float(the_torch().finfo(a.dtype).eps)
        if not np.abs(x - y).max(initial=0.0) <= roundings * unit * np.abs(x).max(initial=0.0):
            return what
    return None


def _masters(course: Course, layout: Layout) -> str:
    """Return the name of what is no slot and holds the parameters after each step, if any."""
    taken = {path for paths in layout.slots.values() for path in paths.values()}
    for path, x in course.seen[-1].items():
        layer = layer_of(path)
        if path in taken or layer not in course.params[-1] or not hasattr(x, "shape"):
            continue
        pairs = zip(course.params, course.seen, strict=True)
        if x.shape == course.params[-1][layer].shape and all(
            path in seen and rounded(params[layer], seen[path]) for params, seen in pairs
        ):
            return name_of(path)
    return ""


def _some(
    algorithm: str, inner: str | None = None, *, momentum: float, weight_decay: float
) -> Optimizer:
    """Return an optimizer of an algorithm with those of the hyperparameters that it has."""
    family = OPTIMIZERS[algorithm]
    known = {f.name for f in fields(family)}
    given = {"momentum": momentum, "weight_decay": weight_decay, "l2": 0.0}
    own: dict[str, Any] = {k: v for k, v in given.items() if k in known}
    if "inner" in known:
        own["inner"] = _some(inner or "sgd", momentum=momentum, weight_decay=weight_decay)
    return family(**own)


def _called(optimizer: Any) -> str:
    """Return the algorithm that the name of a class says."""
    name = type(optimizer).__name__.lower()
    flags = [group.get(flag) for group in optimizer.param_groups for flag in DECOUPLED]
    return f"{name}w" if name in ("adam", "radam") and True in flags else name


def _small(ours: Optimizer) -> Optimizer:
    """Return an optimizer that differs in nothing but its rate and period."""
    layers = tuple(
        (layer, tuple((k, v) for k, v in own if k not in ("lr", "k"))) for layer, own in ours.layers
    )
    own: dict[str, Any] = {"k": PERIOD} if hasattr(ours, "k") else {}
    own |= {"lr": SOME_RATE} if ours.inner is None else {"inner": _small(ours.inner)}
    return replace(ours, layers=layers, **own)
