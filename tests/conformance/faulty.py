"""Backends that are wrong on purpose: each is the reference with one fault, and the verdict on it.

`Honest` is the reference itself.  A fault that is no line of an algorithm is a class here,
with the verdict that it has to get; one that shows in some cases alone says in which.
"""

from __future__ import annotations

import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np
import pytest

from paratrooper_ref.arithmetic.running import Format
from paratrooper_ref.conformance.backend import Array, Grads, Params, Spec, Unsupported
from paratrooper_ref.conformance.reference import ReferenceBackend
from paratrooper_ref.conformance.verdict import (
    ALIASES,
    CONFORMS,
    DEPARTS,
    DTYPE,
    FORGETS,
    GRADIENT,
    HANGS,
    INPUT,
    KEEPS,
    LAYERS,
    LOSES,
    NON_FINITE,
    RAISES,
    SHAPE,
    UNSUPPORTED,
)
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden, Step, Value

Tables = dict[str, dict[str, Array]]
Given = Mapping[str, Any] | None


class Honest(ReferenceBackend):
    """The reference: arrays of a dtype, scalars formed in double."""

    verdict: ClassVar[str] = CONFORMS
    of: ClassVar[tuple[str, ...]] = ()  # names of `paratrooper_ref.variants.FAULTS`

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.name = f"{type(self).__name__} in {dtype}"

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Return a handle, with room for what a fault remembers."""
        handle: Any = super().start(spec, params, state)
        handle.kept = None
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Take the reference's step."""
        super().step(handle, grads, lr)

    def read(self, handle: Any) -> Any:
        """Return copies."""
        return super().read(handle)

    def reload(self, handle: Any) -> Any:
        """Return a handle that goes on where this one is."""
        there: Any = super().reload(handle)
        there.kept = handle.kept
        return there

    def visible(self, golden: Golden) -> bool:
        """Return whether a case has to show the fault."""
        return True


class Probed(Honest):
    """The reference, showing its lines."""

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.probes = True


# --- the answer is wrong ----------------------------------------------------------------------


class Zeros(Honest):
    """Zeros, whatever it is asked."""

    verdict = DEPARTS
    of = ("answer.zeros",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Set everything to 0."""
        put(handle, {s: {k: x * 0 for k, x in of.items()} for s, of in self.read(handle).items()})


class NotANumber(Honest):
    """NaN in the last element of the last slot alone."""

    verdict = NON_FINITE
    of = ("answer.nan",)

    def read(self, handle: Any) -> Any:
        """Spoil what is read after a step."""
        found = super().read(handle)
        if handle.lines:
            *_, last = found[slots(handle)[-1]].values()
            last.reshape(-1)[-1] = np.nan
        return found


class Identity(Honest):
    """What it was given, for an answer."""

    verdict = DEPARTS
    of = ("answer.identity",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Do nothing."""


class Stale(Honest):
    """Each reading shows what the one before should have."""

    verdict = DEPARTS
    of = ("answer.stale",)

    def read(self, handle: Any) -> Any:
        """Return the last reading's numbers."""
        now = super().read(handle)
        shown, handle.kept = handle.kept or now, now
        return shown


class Swallows(Honest):
    """A kernel that fails on arrays of shape (), and a caller that catches what it raises."""

    verdict = DEPARTS
    of = ("answer.swallowed",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Leave alone what could not be updated."""
        before = self.read(handle)
        super().step(handle, grads, lr)
        after = self.read(handle)
        for slot, layers in after.items():
            layers |= {k: before[slot][k] for k, x in layers.items() if x.shape == ()}
        put(handle, after)

    def visible(self, golden: Golden) -> bool:
        """Return whether there is a layer of shape () that moves."""
        return any(
            g is not None and g.shape == () for s in golden.steps
            for g in golden.gradients(s).values()
        )


class Another(Honest):
    """Right answers, but those of another question: the next one with the same layers."""

    verdict = DEPARTS
    of = ("answer.of_another",)

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        corpus = Corpus()
        entries = [e for e in corpus.manifest().cases.values() if e.case.startswith("paratrooper/")]
        self.goldens = [corpus.load(entry) for entry in entries]

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Look an answer up."""
        shapes = {k: x.shape for k, x in handle.state.params.items()}
        alike = [(g, s) for g in self.goldens if dict(g.layers) == shapes for s in g.steps]
        mine = max(i for i, it in enumerate(alike) if self._is(handle, *it))
        others = (it for it in alike[mine:] + alike[:mine] if not self._is(handle, *it))
        golden, step = next(others)
        state, _ = golden.optimizer.step(golden.state(step), golden.gradients(step), step.lr)
        dtype = self.profile.dtype
        put(handle, {
            s: {k: x.astype(dtype) for k, x in state.slot(s).items()} for s in slots(handle)
        })

    def _is(self, handle: Any, golden: Golden, step: Step) -> bool:
        there, here = golden.state(step), handle.state
        return golden.optimizer == handle.optimizer and there.t == here.t and all(
            np.array_equal(there.params[k], x) for k, x in here.params.items()
        )


class Rounds(Honest):
    """Results with the eleven bits of float16, in an array of the declared dtype."""

    verdict = DEPARTS
    of = ("answer.rounded",)
    format: ClassVar[Format] = Format("eleven bits", 11, -1074)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Round what the step gives."""
        super().step(handle, grads, lr)
        put(handle, {
            slot: {k: self._rounded(x) for k, x in layers.items()}
            for slot, layers in self.read(handle).items()
        })

    def _rounded(self, x: Array) -> Array:
        return np.array(self.format.nearest(x), dtype=x.dtype)


class SharesRate(Honest):
    """One step size in a cache, made for the first group and used for all."""

    verdict = DEPARTS
    of = ("cache.rate_shared",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Give every layer the rate of the first."""
        layers = {k: dict(own) for k, own in spec.get("layers", {}).items()}
        rate = layers.get(next(iter(params)), {}).get("lr", spec["hyper"]["lr"])
        for own in layers.values():
            own["lr"] = rate
        return super().start({**spec, "layers": layers} if layers else spec, params, state)

    def visible(self, golden: Golden) -> bool:
        """Return whether the layers differ in their rate."""
        return len({golden.optimizer.rate(None, k) for k in golden.layers}) > 1


# --- the answer has the wrong form ------------------------------------------------------------


class Ravels(Honest):
    """An axis too many."""

    verdict = SHAPE
    of = ("answer.shape",)

    def read(self, handle: Any) -> Any:
        """Return each array in a batch of one."""
        return {s: {k: x[None] for k, x in of.items()} for s, of in super().read(handle).items()}


class Widens(Honest):
    """Another dtype than the declared one."""

    verdict = DTYPE
    of = ("answer.dtype",)

    def read(self, handle: Any) -> Any:
        """Return the other of float32 and float64."""
        other = "float64" if self.profile.dtype == "float32" else "float32"
        found = super().read(handle)
        return {s: {k: x.astype(other) for k, x in of.items()} for s, of in found.items()}


class Lists(Honest):
    """Lists of numbers in place of arrays."""

    verdict = DTYPE

    def read(self, handle: Any) -> Any:
        """Return no arrays."""
        found = super().read(handle)
        lists: Any = {s: {k: x.tolist() for k, x in of.items()} for s, of in found.items()}
        return lists


class Fewer(Honest):
    """The last layer is not reported."""

    verdict = LAYERS
    of = ("layers.left_out",)

    def read(self, handle: Any) -> Any:
        """Leave a layer out."""
        found = super().read(handle)
        for layers in found.values():
            layers.popitem()
        return found


class FewerMoments(Honest):
    """One slot lacks a layer."""

    verdict = LAYERS
    of = ("layers.left_out",)

    def read(self, handle: Any) -> Any:
        """Leave a layer out of the last slot."""
        found = super().read(handle)
        found[slots(handle)[-1]].popitem()
        return found


class More(Honest):
    """A layer that nobody gave."""

    verdict = LAYERS

    def read(self, handle: Any) -> Any:
        """Add one."""
        found = super().read(handle)
        for layers in found.values():
            layers["more"] = np.zeros(1, dtype=self.profile.dtype)
        return found


# --- what it does besides ---------------------------------------------------------------------


class InPlace(Honest):
    """Honest, with arrays of its own that each step overwrites."""

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Keep arrays to write to."""
        handle = super().start(spec, params, state)
        handle.kept = self.arrays(super().read(handle), params, state or {})
        return handle

    def arrays(self, copies: Tables, params: Params, state: Mapping[str, Any]) -> Tables:
        """Return the arrays to write to."""
        return copies

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Overwrite them."""
        super().step(handle, grads, lr)
        for slot, layers in handle.kept.items():
            for layer, x in layers.items():
                x[...] = handle.state.slot(slot)[layer]

    def read(self, handle: Any) -> Any:
        """Return copies of them."""
        return {s: {k: np.array(x) for k, x in of.items()} for s, of in handle.kept.items()}


class ReadsLive(InPlace):
    """Readings are the arrays themselves, which the next step overwrites."""

    verdict = ALIASES
    of = ("state.aliased",)

    def read(self, handle: Any) -> Any:
        """Return them."""
        return dict(handle.kept)


class StartsLive(InPlace):
    """The parameters it is given become its own, not copies of them."""

    verdict = INPUT
    of = ("input.written",)

    def arrays(self, copies: Tables, params: Params, state: Mapping[str, Any]) -> Tables:
        """Write to what was given."""
        return copies | {"theta": dict(params)}

    def visible(self, golden: Golden) -> bool:
        """Return whether the parameters move."""
        return any(
            not np.array_equal(golden.state(step).params[k], theta.hi.reshape(shape))
            for step in golden.steps for k, shape in golden.layers.items()
            if isinstance(theta := step.lines[k].get("theta"), Value)
        )


class StartsLiveState(InPlace):
    """The state it is given becomes its own."""

    verdict = INPUT
    of = ("input.written",)

    def arrays(self, copies: Tables, params: Params, state: Mapping[str, Any]) -> Tables:
        """Write to what was given."""
        return copies | {s: dict(state[s]) for s in copies if s in state}

    def visible(self, golden: Golden) -> bool:
        """Return whether a step is given a state."""
        return any(not is_fresh(golden, step) for step in golden.steps)


class EatsGradient(Honest):
    """The gradient it is given is 0 after the step."""

    verdict = GRADIENT
    of = ("gradient.overwritten",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, then clear."""
        super().step(handle, grads, lr)
        for g in grads.values():
            if g is not None:
                g[...] = 0

    def visible(self, golden: Golden) -> bool:
        """Return whether a gradient is not 0."""
        return any(
            g is not None and bool(g.any())
            for step in golden.steps for g in golden.gradients(step).values()
        )


class DropsGradient(Honest):
    """The mapping of gradients it is given is empty after the step."""

    verdict = GRADIENT
    of = ("gradient.dropped",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, then clear."""
        super().step(handle, grads, lr)
        grads.clear()  # type: ignore[attr-defined]


class DropsInput(Honest):
    """The mapping of parameters it is given is empty after the start."""

    verdict = INPUT
    of = ("input.dropped",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Start, then clear."""
        handle = super().start(spec, params, state)
        params.clear()  # type: ignore[attr-defined]
        return handle


class IgnoresState(Honest):
    """Begins anew, whatever state it is given, and reads back what it has."""

    verdict = LOSES
    of = ("state.ignored",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Begin with moments of 0."""
        return super().start(spec, params)

    def visible(self, golden: Golden) -> bool:
        """Return whether a step is given a state that is not the first one."""
        return any(not is_fresh(golden, step) for step in golden.steps)


class CountsAll(Honest):
    """One step counter for everything that it is ever asked."""

    verdict = KEEPS
    of = ("count.common",)

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.t = 0

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step with the common count."""
        handle.state = replace(handle.state, t=self.t)
        self.t += 1
        super().step(handle, grads, lr)


class LeavesMoments(Honest):
    """A run from the beginning finds the first moments of the run before."""

    verdict = KEEPS
    of = ("state.shared",)

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.left: Array | None = None

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Begin with what was left."""
        handle = super().start(spec, params, state)
        if state is None and self.left is not None and "m" in slots(handle):
            left = self.left
            put(handle, {"m": {k: np.resize(left, x.shape) for k, x in params.items()}})
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, and leave something."""
        super().step(handle, grads, lr)
        if "m" in slots(handle):
            self.left = np.concatenate([x.ravel() for x in handle.state.m.values()])

    def visible(self, golden: Golden) -> bool:
        """Return whether a step is a first one."""
        return any(is_fresh(golden, step) for step in golden.steps)


class Draws(Honest):
    """A thousandth of noise, other noise each time."""

    verdict = KEEPS
    of = ("answer.noise",)

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.noise = random.Random(0)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, and scale what comes of it."""
        super().step(handle, grads, lr)
        scale = np.dtype(self.profile.dtype).type(1 + 1e-3 * (1 + self.noise.random()))
        found = self.read(handle)
        put(handle, {s: {k: x * scale for k, x in of.items()} for s, of in found.items()})


class Shuffles(Honest):
    """Elements in another order each time, so that sums have other roundings: that is allowed."""

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.order = random.Random(0)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step with the elements of each layer shuffled."""
        order, back = {}, {}
        for layer, x in handle.state.params.items():
            order[layer] = np.array(self.order.sample(range(x.size), x.size), dtype=int)
            back[layer] = np.argsort(order[layer])
        shuffled = {
            k: None if g is None else g.ravel()[order[k]].reshape(g.shape)
            for k, g in grads.items()
        }
        put(handle, _ordered(self.read(handle), order))
        super().step(handle, shuffled, lr)
        put(handle, _ordered(self.read(handle), back))


class Forgets(Honest):
    """What was saved are the moments; count and slow weights are made anew on loading."""

    verdict = FORGETS
    of = ("reload.without_slow",)

    def reload(self, handle: Any) -> Any:
        """Lose the count, and take the weights for the slow ones."""
        there = super().reload(handle)
        there.state = replace(there.state, t=0)
        if "slow" in slots(there):
            put(there, {"slow": self.read(there)["theta"]})
        return there


class Raises(Honest):
    """An exception."""

    verdict = RAISES
    of = ("answer.raises",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Raise."""
        msg = "no kernel image is available"
        raise RuntimeError(msg)


class Exits(Honest):
    """The end of the program, as a library that was given a bad option may have it."""

    verdict = RAISES
    of = ("answer.raises",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Exit."""
        sys.exit(0)


class Skips(Honest):
    """A test that skips itself, which is no answer."""

    verdict = RAISES
    of = ("answer.raises",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Skip."""
        pytest.skip("no accelerator here")


class Declines(Honest):
    """A backend that can be asked nothing."""

    verdict = UNSUPPORTED

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Decline."""
        msg = "out of order"
        raise Unsupported(msg)


class Sleeps(Honest):
    """A step that does not come back: it waits for what never happens."""

    verdict = HANGS
    of = ("answer.hangs",)

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.over = threading.Event()  # so that a test can let its threads end

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Wait."""
        self.over.wait()


class Spins(Sleeps):
    """A step that does not come back: it is busy."""

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Be busy."""
        while not self.over.is_set():
            pass


class Meddles(Honest):
    """Right answers, and changes to what it shares with its caller; it also talks."""

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Change what is global, and print."""
        np.seterr(all="raise")
        np.random.seed(1)  # noqa: NPY002 - the global generator is what it meddles with
        random.seed(1)
        warnings.filterwarnings("ignore", message="of one who meddles")
        print("starting")
        print("starting", file=sys.stderr)
        return super().start(spec, params, state)


class Warns(Honest):
    """Right answers, and a warning with each."""

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Warn."""
        warnings.warn("a slow path was taken", RuntimeWarning, stacklevel=2)
        return super().step(handle, grads, lr)


class Only(Honest):
    """Wrong in some cases, and honest in the others."""

    def __init__(self, faulty: Honest, where: Callable[[Params], bool]) -> None:
        super().__init__(faulty.profile.dtype)
        self.faulty, self.where = faulty, where

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Choose who answers."""
        backend: Any = self.faulty if self.where(params) else Honest(self.profile.dtype)
        return backend, backend.start(spec, params, state)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Let it answer."""
        backend, inner = handle
        backend.step(inner, grads, lr)

    def read(self, handle: Any) -> Any:
        """Let it show."""
        backend, inner = handle
        return backend.read(inner)

    def reload(self, handle: Any) -> Any:
        """Let it save and load."""
        backend, inner = handle
        return backend, backend.reload(inner)


def slots(handle: Any) -> tuple[str, ...]:
    """Return the slots of a handle, the parameters first."""
    return ("theta", *handle.optimizer.slots())


def put(handle: Any, found: Mapping[str, Any]) -> None:
    """Set slots of a handle to other arrays."""
    changes = {("params" if slot == "theta" else slot): x for slot, x in found.items()}
    handle.state = replace(handle.state, **changes)


def is_fresh(golden: Golden, step: Step) -> bool:
    """Return whether a step is the first of a run, with the state that `init` gives."""
    state = golden.state(step)
    first = golden.optimizer.init(state.params)
    return step.t == 1 and all(
        np.array_equal(state.slot(slot)[k], first.slot(slot)[k])
        for slot in golden.optimizer.slots() for k in golden.layers
    )


def _ordered(found: Tables, order: Mapping[str, Any]) -> Tables:
    return {
        slot: {k: x.ravel()[order[k]].reshape(x.shape) for k, x in layers.items()}
        for slot, layers in found.items()
    }


def _subclasses(of: type[Honest]) -> Iterator[type[Honest]]:
    for found in of.__subclasses__():
        yield found
        yield from _subclasses(found)


FAULTS: Final = [f for f in _subclasses(Honest) if f.verdict != CONFORMS]
"""Those that must not pass."""

ALLOWED: Final = [Honest, Probed, InPlace, Shuffles, Meddles, Warns]
"""Those that must."""
