"""Optimizers of torch as backends.

    TorchBackend(torch.optim.AdamW)
    TorchBackend(Lamb, options={"always_adapt": True, "max_grad_norm": None})
    TorchBackend(lambda params, lr, betas, eps, weight_decay, k, alpha:
        Lookahead(AdamW(params, lr, betas, eps, weight_decay), k=k, alpha=alpha))

Hyperparameters go to the constructor's arguments by their names.  Where the optimizer keeps what
is learnt from a few steps of a small one (`paratrooper_ref.conformance.layout`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.conformance.arguments import (
    TUPLES,
    Names,
    accepted,
    arguments,
    decouples,
    matters,
    ours_of,
)
from paratrooper_ref.conformance.backend import (
    Array,
    Grads,
    Lacks,
    Params,
    Slots,
    Spec,
    Unsupported,
    optimizer_of,
)
from paratrooper_ref.conformance.cells import Cell, Path, cells, layer_of, name_of, parts
from paratrooper_ref.conformance.layout import (
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
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.optimizers import Optimizer

Tensor = Any
Hyper = Mapping[str, Any]
Where = str | Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]

BUILT_IN: Final[Mapping[str, Hyper]] = {
    "torch.optim.radam.RAdam": {"threshold": 5.0, "warmup": "momentum"},
}
"""What classes of torch always use, and have no argument for."""

SGD: Final = "torch.optim.sgd.SGD"
SOME_RATE: Final = 0.25  # of the small optimizer, and of one that is asked for a rate of 0
SOME_GRADIENT: Final = 2.0**-4  # of the step that makes an optimizer's state, to be overwritten
SAME: Final = 4  # roundings by which a state that went out and in again may differ


@dataclass(frozen=True)
class Handle:
    """An optimizer before a step."""

    ours: Optimizer
    params: dict[str, Tensor]
    optimizer: Any
    layout: Layout
    began: dict[str, Tensor]
    given: Mapping[str, Any] | None  # a state whose meaning may depend on the step's rate


class TorchBackend:
    """A torch optimizer under test.

    Parameters
    ----------
    factory : callable
        A class like those of torch.optim, or a function that returns an optimizer: called with
        the parameters, or groups of them, and keyword arguments.
    dtype : str, optional
        Of the tensors; the profile's, or "float32".
    device : str
    hyper : mapping or callable, optional
        By hyperparameter the name of the constructor's argument, None where it has none; or
        ``hyper(values) -> keyword arguments``.  Names found in its signature need not be given.
    state : mapping, optional
        By slot, or "t", or "warmup", where the optimizer keeps it: the name of an entry, or
        ``read(optimizer, parameter)``, or that and ``write(optimizer, parameter, tensor)``; of
        "t" and "warmup" without the parameter.  What is found by itself need not be given.
    fixed : mapping, optional
        Hyperparameters of which the optimizer always uses one value; of a wrapper, "inner" is
        the algorithm that it wraps.
    options : mapping, optional
        Further keyword arguments of the constructor; they win.
    profile : Profile, optional
        The arithmetic; ``Profile(dtype=dtype)`` if it is left out.
    name : str, optional

    Notes
    -----
    A hyperparameter without an argument is refused, unless it has no effect at its value or is a
    part of the algorithm as published, such as RAdam's threshold: a class that has no name for
    it is taken at its word.  A ValueError of the constructor is a refusal too.

    States are set as they arise: an optimizer takes a step, so that it makes its entries, and
    they are overwritten.  ``profile.inject`` becomes False where a small optimizer, given the
    state of another, does not go on as that one does.

    Examples
    --------
    >>> backend = TorchBackend(torch.optim.AdamW, options={"foreach": True})  # doctest: +SKIP
    """

    def __init__(
        self,
        factory: Callable[..., Any],
        *,
        dtype: str | None = None,
        device: str = "cpu",
        hyper: Names | Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        state: Mapping[str, Where] | None = None,
        fixed: Hyper | None = None,
        options: Hyper | None = None,
        profile: Profile | None = None,
        name: str | None = None,
    ) -> None:
        self.factory, self.device = factory, device
        self.hyper: Any = {} if hyper is None else hyper
        self.where: Mapping[str, Any] = dict(state or {})
        self.options = dict(options or {})
        self.fixed: Hyper = {**BUILT_IN.get(_path_of(factory), {}), **(fixed or {})}
        self._profile = profile
        self.dtype = dtype or ("float32" if profile is None else profile.stored("theta").name)
        options_said = ", ".join(f"{k}={v}" for k, v in self.options.items())
        self.name = name or _shown(factory) + (f"({options_said})" if options_said else "")
        self._layouts: dict[str, Layout] = {}

    @cached_property
    def torch(self) -> Any:
        """The module; imported where it is needed first."""
        torch: Any = import_module("torch")
        # The first step imports what torch puts off: seconds that are no step's of ours.
        p = torch.nn.Parameter(torch.zeros(1))
        p.grad = torch.zeros(1)
        torch.optim.SGD([p], lr=0.0).step()
        return torch

    @cached_property
    def _accepted(self) -> list[dict[str, Any]]:
        return accepted(self.factory)

    @property
    def profile(self) -> Profile:
        """The arithmetic that is declared; ``inject`` as it has turned out."""
        narrow = self.torch.finfo(getattr(self.torch, self.dtype)).bits < 32
        if self._profile is None:
            scalars: Any = "mixed" if self.options.get("capturable") else "float64"
            wide = self._wide() if narrow else {}
            self._profile = Profile(dtype=self.dtype, scalars=scalars, slots=wide)
        return self._profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._profile = profile

    @property
    def versions(self) -> dict[str, str]:
        """Of torch, and of the package that the factory is from."""
        package = str(getattr(self.factory, "__module__", "")).partition(".")[0]
        found = {k: getattr(sys.modules.get(k), "__version__", None) for k in (package, "torch")}
        return {name: str(version) for name, version in found.items() if version is not None}

    def _wide(self) -> dict[str, str]:
        """Return the slots that are kept in float32 beside narrower parameters."""
        p = self._parameter(np.ones(2))
        try:
            optimizer = self.factory([p], **self.options)
            p.grad = self.torch.full_like(p, SOME_GRADIENT)
            optimizer.step()
        except Exception:
            return {}  # it does not begin without hyperparameters, or at all: start will tell
        found = look(optimizer, {"x": p})
        wide: dict[Path, str] = {}
        for slot, names in NAMES.items():
            path = named(found, {"x": p}, names).get("x")
            if path is not None and found[path].dtype == self.torch.float32:
                wide.setdefault(path, slot)
        return dict.fromkeys(wide.values(), "float32")

    # ------------------------------------------------------------------ the protocol

    def start(self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None) -> Handle:
        """Return a handle: an optimizer of this spec, before a step."""
        ours = optimizer_of(spec)
        tensors = {layer: self._parameter(x) for layer, x in params.items()}
        optimizer = self._built(ours, tensors)
        layout = self._layout(ours, {layer: x.dim() for layer, x in tensors.items()})
        began = {layer: copied(x) for layer, x in tensors.items()}
        handle = Handle(ours, tensors, optimizer, layout, began, None)
        if state is None or self._initial(ours, params, state):
            return handle
        if layout.whole:
            self.profile = self.profile.but(inject=False)
            msg = f"its state cannot be set: {layout.whole}"
            raise Unsupported(msg)
        self._refuse_warmup(ours, layout, state)
        self._primed(handle)
        self._write(handle, state)
        return replace(handle, given=state if self._asks_functions(state) else None)

    def step(self, handle: Handle, grads: Grads, lr: float) -> Handle | None:
        """Take a step; change the gradients as given if the optimizer changes them."""
        self._set_rates(handle, lr)
        if handle.given is not None:
            self._write(handle, handle.given)
        held: dict[str, tuple[Tensor, Array]] = {}  # what is given, and what torch makes of it
        for layer, p in handle.params.items():
            g = grads[layer]
            p.grad = None if g is None else self._tensor(g)
            if g is not None:
                held[layer] = p.grad, self._array(p.grad)
        handle.optimizer.step()
        for layer, (tensor, before) in held.items():
            for x in (tensor, handle.params[layer].grad):
                if x is not None and tuple(x.shape) == before.shape:
                    after = self._array(x)
                    if after.tobytes() != before.tobytes():
                        np.asarray(grads[layer])[...] = after
        return replace(handle, given=None) if handle.given is not None else None

    def read(self, handle: Handle) -> Slots:
        """Return parameters, and the slots that can be seen."""
        found = {"theta": {k: self._array(x, slot="theta") for k, x in handle.params.items()}}
        for slot in handle.ours.slots():
            if handle.given is not None and isinstance(self.where.get(slot), tuple):
                # Written again in the step: what it is there may depend on the rate.
                found[slot] = {k: np.array(handle.given[slot][k]) for k in handle.params}
                continue
            tensors = self._slot(handle, slot)
            if tensors:
                found[slot] = {
                    layer: self._array(
                        tensors[layer] if layer in tensors
                        else began if slot == "slow" else began * 0,  # no gradient as yet
                        slot=slot,
                    )
                    for layer, began in handle.began.items()
                }
        return found

    def reload(self, handle: Handle) -> Handle:
        """Save the optimizer's state_dict; load it into a new optimizer of the same parameters."""
        written = io.BytesIO()
        self.torch.save(handle.optimizer.state_dict(), written)
        written.seek(0)
        tensors = {k: self.torch.nn.Parameter(copied(p)) for k, p in handle.params.items()}
        optimizer = self._built(handle.ours, tensors)
        optimizer.load_state_dict(self.torch.load(written, weights_only=False))
        return replace(handle, params=tensors, optimizer=optimizer)

    def supports(self, spec: Spec) -> str | None:
        """Return why a spec cannot be started, or None."""
        ours = optimizer_of(spec)
        names = dict.fromkeys((*ours.layer_names(), "x"))
        try:
            self._built(ours, {layer: self._parameter(np.ones(2)) for layer in names})
        except Unsupported as reason:
            return str(reason)
        return None

    # ------------------------------------------------------------------ hyperparameters

    def _arguments(self, ours: Optimizer, layer: str | None) -> dict[str, Any]:
        hyper = ours.hyper(layer)
        hyper |= {name: value for name, value in self.fixed.items() if name in hyper}
        if ours.inner is not None:
            hyper["inner"] = ours.inner.algorithm
            if self.fixed.get("inner", hyper["inner"]) != hyper["inner"]:
                msg = f"wraps {self.fixed['inner']}, not {hyper['inner']}"
                raise Unsupported(msg)
        # The rate of a step is set before the step, and some refuse to begin with 0.
        hyper["lr"] = hyper["lr"] or SOME_RATE
        if callable(self.hyper):
            kwargs: dict[str, Any] = dict(self.hyper(hyper))
            return kwargs | self.options
        found = arguments(hyper, self._accepted, self.hyper, decouples(ours))
        if _path_of(self.factory) == SGD and hyper.get("momentum") == 0 != hyper["dampening"]:
            name = "dampening"  # of a buffer, and there is none: a dialect
            raise Lacks(name, f"has no {name} where the momentum is 0")
        missing = tuple(name for name in found.missing if name not in self.fixed)
        if lacking := matters(ours, layer, missing):
            of = "" if layer is None or matters(ours, None, missing) else f" of layer {layer!r}"
            raise Lacks(lacking, f"has no {lacking}{of}")
        return found.kwargs | self.options

    def _built(self, ours: Optimizer, tensors: Mapping[str, Tensor]) -> Any:
        """Return an optimizer of tensors; layers with arguments of their own make groups."""
        shared = self._arguments(ours, None)
        groups: dict[str, dict[str, Any]] = {}
        for layer, tensor in tensors.items():
            of_layer = self._arguments(ours, layer)
            own = {k: v for k, v in of_layer.items() if k not in shared or v != shared[k]}
            groups.setdefault(repr(own), {"params": [], **own})["params"].append(tensor)
        try:
            if len(groups) == 1 and groups.keys() == {"{}"}:
                return self.factory(list(tensors.values()), **shared)
            alone = self.factory([self._parameter(np.ones(2))], **shared)
            known = alone.param_groups[0].keys()
            return self.factory([_group(group, known) for group in groups.values()], **shared)
        except ValueError as refusal:
            msg = f"refuses: {refusal}"
            raise Unsupported(msg) from refusal

    def _set_rates(self, handle: Handle, lr: float) -> None:
        named = self.hyper.get("lr") if isinstance(self.hyper, Mapping) else None
        layers = {id(p): layer for layer, p in handle.params.items()}
        for _, part in parts(handle.optimizer):
            for group in part.param_groups:
                key = named if named in group else "lr"
                layer = next((layers[id(p)] for p in group["params"] if id(p) in layers), None)
                rate = handle.ours.rate(lr, layer)
                if hasattr(group.get(key), "fill_"):
                    group[key].fill_(rate)
                else:
                    group[key] = rate

    # ------------------------------------------------------------------ state

    def _slot(self, handle: Handle, slot: str) -> dict[str, Tensor]:
        """Return a slot's tensors by layer, as far as they are there."""
        where = self.where.get(slot)
        if where is not None and not isinstance(where, str):
            read = where[0] if isinstance(where, tuple) else where
            found = {k: read(handle.optimizer, p) for k, p in handle.params.items()}
            return {k: x for k, x in found.items() if x is not None}
        at = cells(handle.optimizer, handle.params)
        paths = handle.layout.slots.get(slot, {})
        return {layer: at[path].value for layer, path in paths.items() if path in at}

    def _write(self, handle: Handle, state: Mapping[str, Any]) -> None:
        """Put a state in the place of what is there."""
        t, layout, optimizer = int(state["t"]), handle.layout, handle.optimizer
        with self.torch.no_grad():
            for layer, p in handle.params.items():
                p.copy_(handle.began[layer])
                p.grad = None
        at = cells(optimizer, handle.params)
        for count in layout.counts:
            value = t + count.offset
            if count.phase:
                value %= self._period(handle, layer_of(count.path))
            if count.path in at:
                at[count.path].put(value)
        if isinstance(where := self.where.get("t"), tuple):
            where[1](optimizer, t)
        for slot in handle.ours.slots():
            where, paths = self.where.get(slot), layout.slots.get(slot, {})
            if isinstance(where, tuple):
                for layer, p in handle.params.items():
                    where[1](optimizer, p, self._tensor(state[slot][layer]))
                continue
            k = handle.ours.hyper().get("k", 1)
            if slot not in layout.first or not layout.expected(slot, t, int(k)):
                continue
            for layer, path in paths.items():
                self._cell(optimizer, path, at, handle.params[layer]).put(
                    self._tensor(state[slot][layer], "float64")  # its dtype is that of the cell
                )
        if state.get("warmup") is not None:
            if isinstance(where := self.where.get("warmup"), tuple):
                where[1](optimizer, state["warmup"])
            else:
                for group in optimizer.param_groups:
                    if "warmup" in group:
                        group["warmup"] = state["warmup"]

    def _cell(
        self, optimizer: Any, path: Path, at: Mapping[Path, Cell], p: Tensor
    ) -> Cell:
        """Return the cell of a path; one that comes with a synchronisation is made."""
        if path in at:
            return at[path]
        *upper, state, _, key = path
        part = optimizer
        for name in upper:
            part = getattr(part, str(name))
        held = getattr(part, str(state))[p]
        held[key] = copied(p)
        return Cell(held, key)

    def _period(self, handle: Handle, layer: str | None) -> int:
        return int(self.fixed.get("k", handle.ours.hyper(layer)["k"]))

    def _primed(self, handle: Handle) -> None:
        """Let an optimizer make its state; how it warms up is not for this gradient to choose."""
        groups = [g for _, part in parts(handle.optimizer) for g in part.param_groups]
        chosen = [{"warmup": group["warmup"]} if "warmup" in group else {} for group in groups]
        for p in handle.params.values():
            p.grad = self.torch.full_like(p, SOME_GRADIENT)
        handle.optimizer.step()
        for group, kept in zip(groups, chosen, strict=True):
            group.update(kept)

    def _initial(self, ours: Optimizer, params: Params, state: Mapping[str, Any]) -> bool:
        """Return whether a state is that before the first step; SGD's rule does not read u then."""
        if state["t"] != 0 or state.get("warmup") is not None:
            return False
        return all(
            np.array_equal(state[slot][k], x if slot == "slow" else np.zeros_like(x))
            for slot in ours.slots() for k, x in params.items()
            if not (slot == "u" and "dampening" in ours.hyper())
        )

    def _refuse_warmup(
        self, ours: Optimizer, layout: Layout, state: Mapping[str, Any]
    ) -> None:
        """Refuse a choice that the optimizer cannot be told, where it still decides a step."""
        if ours.hyper().get("warmup") != "auto" or state.get("warmup") is None:
            return
        if isinstance(self.where.get("warmup"), tuple) or any(
            "warmup" in names for names in self._accepted
        ):
            return
        for layer in (None, *ours.layer_names()):
            hyper = ours.hyper(layer)
            beta2, t = scalar(EXACT, hyper["beta2"]), int(state["t"]) + 1
            rho = 2 / (1 - beta2) - 1 - 2 * t * beta2**t / (1 - beta2**t)
            if not rho > hyper["threshold"]:
                msg = "cannot be told which warm-up was chosen"
                raise Unsupported(msg)

    def _asks_functions(self, state: Mapping[str, Any]) -> bool:
        return any(isinstance(self.where.get(slot), tuple) for slot in state)

    # ------------------------------------------------------------------ learning the layout

    def _layout(self, ours: Optimizer, dims: Mapping[str, int]) -> Layout:
        small = _small(ours)
        key = repr((small, dims))
        if key not in self._layouts:
            try:
                self._layouts[key] = self._learnt(small, dims)
            except Exception as error:
                # Not what was asked, so not to be raised: the steps that are will tell.
                why = f"a small one raises {type(error).__name__}: {error}"
                self._layouts[key] = Layout(slots={}, first={}, period=PERIOD, counts=(), whole=why)
        return self._layouts[key]

    def _learnt(self, ours: Optimizer, dims: Mapping[str, int]) -> Layout:
        period = int(self.fixed.get("k", ours.hyper().get("k", PERIOD)))
        steps = max(STEPS, period + 2)
        rng = np.random.default_rng(0)
        start = {k: rng.uniform(0.5, 2.0, (2,) * n) for k, n in dims.items()}
        # Second moments have to fall too, or a running maximum of them would not show.
        grads = [
            {k: np.array(rng.uniform(0.25, 1.0, x.shape) / 4 ** (t % 3)) for k, x in start.items()}
            for t in range(steps)
        ]

        first = self._begun(ours, start)
        course = Course()
        for g in grads:
            self._stepped(first, g)
            course.params.append({k: copied(p) for k, p in first.params.items()})
            course.seen.append(look(first.optimizer, first.params))
        at_start = {k: self._array(x, slot="theta") for k, x in first.began.items()}
        doubles = {k: x.astype(np.float64) for k, x in at_start.items()}
        wanted = reference(ours, doubles, grads, SOME_RATE)
        layout = self._recognised(ours, first, course, wanted, at_start, period)
        return replace(layout, whole=self._tried(ours, start, grads, course, layout))

    def _stepped(self, handle: Handle, grads: Mapping[str, Array]) -> None:
        """Take a step with a copy of the gradients, which some optimizers write to."""
        self.step(handle, {layer: g.copy() for layer, g in grads.items()}, SOME_RATE)

    def _begun(self, ours: Optimizer, start: Mapping[str, Any]) -> Handle:
        tensors = {k: self._parameter(x) for k, x in start.items()}
        optimizer = self._built(ours, tensors)
        began = {k: copied(x) for k, x in tensors.items()}
        empty = Layout(slots={}, first={}, period=PERIOD, counts=())
        return Handle(ours, tensors, optimizer, empty, began, None)

    def _recognised(
        self, ours: Optimizer, handle: Handle, course: Course, wanted: Any,
        start: Mapping[str, Array], period: int,
    ) -> Layout:
        ids = {id(p): layer for layer, p in handle.params.items()}
        order = [ids[id(p)] for g in handle.optimizer.param_groups for p in g["params"]]
        params = {layer: handle.params[layer] for layer in order}
        last = course.seen[-1]
        slots: dict[str, dict[str, Path]] = {}
        first: dict[str, int] = {}
        for slot in ours.slots():
            where = self.where.get(slot)
            if where is not None and not isinstance(where, str):
                continue
            names = (where,) if isinstance(where, str) else NAMES[slot]
            found = named(last, params, names)
            if not found and where is None and slot in wanted:
                taken = {path for paths in slots.values() for path in paths.values()}
                free = {path: x for path, x in last.items() if path not in taken}
                initial = {k: x if slot == "slow" else x * 0 for k, x in start.items()}
                found = alike(free, wanted[slot], initial)
            if found:
                slots[slot] = found
                path = next(iter(found.values()))
                first[slot] = 1 + next(i for i, seen in enumerate(course.seen) if path in seen)
        counts = counts_in(course, period)
        if isinstance(name := self.where.get("t"), str):
            counts = tuple(count for count in counts if name_of(count.path) == name)
        return Layout(slots=slots, first=first, period=period, counts=counts)

    def _tried(
        self, ours: Optimizer, start: Mapping[str, Any], grads: list[dict[str, Any]],
        course: Course, layout: Layout,
    ) -> str:
        """Return why a state cannot be set, or "": go on from states of the course, and compare."""
        first = replace(self._begun(ours, start), layout=layout)
        for t in range(1, len(grads)):
            self._stepped(first, grads[t - 1])
            state: dict[str, Any] = {"t": t, **self.read(first)}
            for slot in ours.slots():
                if slot not in state:
                    state[slot] = {k: np.zeros_like(x) for k, x in state["theta"].items()}
            second = replace(self._begun(ours, state["theta"]), layout=layout)
            self._set_rates(second, SOME_RATE)
            self._primed(second)
            self._write(second, state)
            given = state if self._asks_functions(state) else None
            self._stepped(replace(second, given=given), grads[t])
            if off := self._apart(course, layout, second, t):
                return off
        return ""

    def _apart(self, course: Course, layout: Layout, second: Handle, t: int) -> str:
        now = look(second.optimizer, second.params)
        pairs = [("theta", k, course.params[t][k], p) for k, p in second.params.items()]
        for slot, paths in layout.slots.items():
            pairs += [
                (slot, k, course.seen[t][path], now[path])
                for k, path in paths.items() if path in course.seen[t] and path in now
            ]
        for what, _, a, b in pairs:
            x, y = (self._array(z, np.dtype(np.float64)) for z in (a, b))
            unit = float(self.torch.finfo(a.dtype).eps)
            apart = np.abs(x - y).max(initial=0.0)
            if not apart <= SAME * unit * np.abs(x).max(initial=0.0):
                unseen = [s for s in second.ours.slots() if s not in layout.slots]
                unseen = [s for s in unseen if s not in self.where]
                if unseen:
                    return f"{', '.join(unseen)} is not found"
                if not layout.counts and not isinstance(self.where.get("t"), tuple):
                    return "no count of steps is found"
                return f"it goes on with another {what} than one that took the steps"
        return ""

    # ------------------------------------------------------------------ arrays and tensors

    def _tensor(self, x: Any, dtype: str | None = None) -> Tensor:
        """Return a tensor of its own, of the dtype of parameters."""
        dtype = getattr(self.torch, dtype or self.dtype)
        return self.torch.tensor(np.array(x), device=self.device).to(dtype)

    def _parameter(self, x: Any) -> Tensor:
        return self.torch.nn.Parameter(self._tensor(x))

    def _array(self, x: Tensor, dtype: Any = None, *, slot: str | None = None) -> Array:
        """Return an array of its own; NumPy has no bfloat16."""
        x = x.detach().cpu()
        if x.dtype == self.torch.bfloat16:
            x = x.float()
        if slot is not None:
            name = self.profile.stored(slot).name
            dtype = np.dtype("float32" if name == "bfloat16" else name)
        return np.array(x.numpy(), dtype=dtype)


def _small(ours: Optimizer) -> Optimizer:
    """Return an optimizer that differs in nothing but its rate and period."""
    layers = tuple(
        (layer, tuple((k, v) for k, v in own if k not in ("lr", "k"))) for layer, own in ours.layers
    )
    changes: dict[str, Any] = {"layers": layers}
    if ours.inner is not None:
        changes["inner"] = _small(ours.inner)
    else:
        changes["lr"] = SOME_RATE
    if hasattr(ours, "k"):
        changes["k"] = PERIOD
    return replace(ours, **changes)


def _group(group: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return a group as a class knows it, which may keep the parts of a tuple apart."""
    found: dict[str, Any] = {}
    for name, value in group.items():
        parts = TUPLES.get(name, ())
        if name in known:
            found[name] = value
        elif parts and all(part in known for part in parts):
            found.update(zip(parts, value, strict=True))
        else:
            raise Lacks(ours_of(name), f"has no {name} by group")
    return found


def _path_of(factory: Any) -> str:
    return f"{getattr(factory, '__module__', '')}.{getattr(factory, '__qualname__', '')}"


def _shown(factory: Any) -> str:
    """Return the shortest path under which a factory can be imported."""
    name = getattr(factory, "__qualname__", None) or repr(factory)
    *modules, = str(getattr(factory, "__module__", "")).split(".")
    for n in range(1, len(modules) + 1):
        module = sys.modules.get(".".join(modules[:n]))
        if getattr(module, name, None) is factory:
            return ".".join([*modules[:n], name])
    return ".".join([*modules, name]).lstrip(".")
