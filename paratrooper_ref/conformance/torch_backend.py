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
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib import import_module
from itertools import product
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.conformance import arguments as names_of
from paratrooper_ref.conformance.arguments import (
    DECOUPLED,
    RATE,
    TUPLES,
    Names,
    accepted,
    arguments,
    decouples,
    matters,
    near,
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
from paratrooper_ref.conformance.profile import DTYPES, Profile
from paratrooper_ref.conformance.session import container
from paratrooper_ref.conformance.watch import Watch
from paratrooper_ref.optimizers import OPTIMIZERS, Lookahead, Optimizer

Tensor = Any
Hyper = Mapping[str, Any]
Where = str | Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]

BUILT_IN: Final[Mapping[str, Hyper]] = {
    "torch.optim.radam.RAdam": {"threshold": 5.0, "warmup": "momentum"},
}
"""What classes of torch always use, and have no argument for."""

INSIDE: Final = ("sgd", "adam", "adamw", "radam", "radamw", "lars", "lamb")
"""What a wrapper may wrap."""

MOST_FIRST: Final = ("paratrooper", "rangerlars", "ranger", "lookahead", *reversed(INSIDE))
"""Those with the most slots first."""

SOME: Final = {"w": np.array([[1.0, 0.5], [0.75, 2.0]]), "b": np.array([1.5, 1.0])}
SOME_RATE: Final = 0.25  # of the small optimizer, and of one that is asked for a rate of 0
SOME_GRADIENT: Final = 2.0**-4  # of the step that makes an optimizer's state, to be overwritten
SAME: Final = 4  # roundings by which a state that went out and in again may differ
SECONDS: Final = 30.0  # that a few steps of a small optimizer may take


@dataclass(frozen=True)
class Handle:
    """An optimizer before a step."""

    ours: Optimizer
    params: dict[str, Tensor]
    optimizer: Any
    layout: Layout
    began: dict[str, Tensor]
    given: Mapping[str, Any] | None  # a state whose meaning may depend on the step's rate
    stepped: set[str] = field(default_factory=set)  # layers that should have their state


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
        "t" and "warmup" without the parameter.  What is found by itself need not be given, but
        for "theta": master weights, in which case they are what is read and set, as long as the
        parameters are them, rounded.
    fixed : mapping, optional
        Hyperparameters of which the optimizer always uses one value; of a wrapper, "inner" is
        the algorithm that it wraps, if neither a class nor the first steps tell.
    options : mapping, optional
        Further keyword arguments of the constructor; they win.
    profile : Profile, optional
        The arithmetic; ``Profile(dtype=dtype)`` if it is left out, with the dtypes in which
        slots are found.  With master weights it is theirs, and that of the gradients is dtype.
    name : str, optional

    Notes
    -----
    A hyperparameter without an argument is refused, unless it has no effect at its value or is a
    part of the algorithm as published, such as RAdam's threshold: a class that has no name for
    it is taken at its word.  A ValueError of the constructor is a refusal too.

    States are set as they arise: an optimizer takes a step, so that it makes its entries, and
    they are overwritten.  It is refused where a small optimizer of the same hyperparameters,
    given the state of another, does not go on as that one does.

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
        of = "g" if "theta" in self.where else "theta"  # masters beside: gradients are as tensors
        self.dtype = dtype or ("float32" if profile is None else profile.stored(of).name)
        options_said = ", ".join(f"{k}={v}" for k, v in self.options.items())
        self.name = name or _shown(factory) + (f"({options_said})" if options_said else "")
        self._layouts: dict[str, Layout] = {}
        self._undamped: dict[str, bool] = {}
        self._given: set[str] = set()

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
        """The arithmetic that is declared, or what is found of it."""
        if self._profile is None:
            scalars: Any = "mixed" if self.options.get("capturable") else "float64"
            watch, wide = Watch(SECONDS), dict[str, str]()
            try:
                wide = watch.call(self._widths)
            except KeyboardInterrupt:
                raise
            except BaseException:
                pass  # it does not get through a few steps: those that are asked will tell
            watch.close()
            dtype = wide.get("theta", self.dtype)
            stored = {"g": self.dtype, **wide}
            slots = {slot: name for slot, name in stored.items() if name != dtype}
            self._profile = Profile(dtype=dtype, scalars=scalars, slots=slots)
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

    @property
    def ungiven(self) -> tuple[str, ...]:
        """Arguments of the constructor that no optimizer was started with."""
        known = dict.fromkeys(name for level in self._accepted for name in level)
        return tuple(name for name in known if name not in self._given)

    # ------------------------------------------------------------------ the protocol

    def start(self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None) -> Handle:
        """Return a handle: an optimizer of this spec, before a step."""
        ours = optimizer_of(spec)
        self._refuse_inner(ours)
        tensors = {layer: self._parameter(x) for layer, x in params.items()}
        optimizer = self._built(ours, tensors)
        for layer in (None, *tensors):
            self._given.update(self._arguments(ours, layer))
        layout = self._layout(ours, {layer: x.dim() for layer, x in tensors.items()})
        began = {layer: copied(x) for layer, x in tensors.items()}
        handle = Handle(ours, tensors, optimizer, layout, began, None)
        if state is None or self._initial(ours, params, state):
            if "theta" not in self.where or self._holds(params):
                return handle
            state = {"t": 0, **{slot: _first(slot, params) for slot in ours.slots()}}
        if layout.whole:
            msg = f"its state cannot be set: {layout.whole}"
            raise Unsupported(msg)
        self._refuse_warmup(ours, layout, state)
        self._primed(handle)
        state = {**state, "theta": params}
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
                handle.stepped.add(layer)
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
        found = {"theta": self._weights(handle)}
        for slot in handle.ours.slots():
            if handle.given is not None and isinstance(self.where.get(slot), tuple):
                # Written again in the step: what it is there may depend on the rate.
                found[slot] = {k: np.array(handle.given[slot][k]) for k in handle.params}
                continue
            tensors = self._slot(handle, slot)
            kind = next((self._array(x).dtype for x in tensors.values()), None)
            absent = handle.params.keys() - tensors.keys()
            if kind is None or not all(self._to_come(handle, slot, layer) for layer in absent):
                continue
            began = {layer: self._array(handle.began[layer], kind) for layer in absent}
            found[slot] = {
                layer: self._array(tensors[layer]) if layer in tensors
                else began[layer] if slot == "slow" else began[layer] * 0
                for layer in handle.params
            }
        return found

    def _to_come(self, handle: Handle, slot: str, layer: str) -> bool:
        """Return whether a layer will have a slot, and has none for want of a gradient."""
        found = self._has_function(slot) or layer in handle.layout.slots.get(slot, {})
        return found and layer not in handle.stepped

    def _weights(self, handle: Handle) -> dict[str, Array]:
        """Return the parameters, or the masters that they are copies of."""
        found = {layer: self._array(p) for layer, p in handle.params.items()}
        if "theta" not in self.where:
            return found
        masters = self._slot(handle, "theta")
        for layer, p in handle.params.items():
            master, kind = masters.get(layer), found[layer].dtype
            if self._profile is not None:
                kind = container(self._profile, "theta")
            if master is not None and tuple(master.shape) == tuple(p.shape):
                kind = self._array(master).dtype
                if self._rounded(p, master):
                    found[layer] = self._array(master)
                    continue
            found[layer] = found[layer].astype(kind)  # not what the masters say, or before any
        return found

    def _rounded(self, p: Tensor, master: Tensor) -> bool:
        """Return whether a parameter is one of the two numbers beside its master, or the same."""
        p, exact = p.detach().cpu(), master.detach().cpu().double()
        up = self.torch.full_like(p, np.inf)
        below, above = (self.torch.nextafter(p, end).double() for end in (-up, up))
        return bool(((p.double() == exact) | ((below < exact) & (exact < above))).all())

    def reload(self, handle: Handle) -> Handle:
        """Save the optimizer's state_dict; load it into a new optimizer of the same parameters."""
        written = io.BytesIO()
        self.torch.save(handle.optimizer.state_dict(), written)
        written.seek(0)
        tensors = {k: self.torch.nn.Parameter(copied(p)) for k, p in handle.params.items()}
        optimizer = self._built(handle.ours, tensors)
        optimizer.load_state_dict(self.torch.load(written, weights_only=False))
        return replace(handle, params=tensors, optimizer=optimizer, stepped=set(handle.stepped))

    def supports(self, spec: Spec) -> str | None:
        """Return why a spec cannot be started, or None."""
        ours = optimizer_of(spec)
        names = dict.fromkeys((*ours.layer_names(), "x"))
        try:
            self._refuse_inner(ours)
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
        kwargs = found.kwargs | self.options
        missing = tuple(name for name in found.missing if name not in self.fixed)
        if lacking := matters(ours, layer, missing):
            of = "" if layer is None or matters(ours, None, missing) else f" of layer {layer!r}"
            raise Lacks(lacking, f"has no {lacking}{of}{self._hint(lacking, kwargs)}")
        if "dampening" not in missing and hyper.get("momentum") == 0 != hyper.get("dampening", 0):
            self._refuse_dampening(hyper, decouples(ours))
        return kwargs

    def _hint(self, name: str, kwargs: Mapping[str, Any]) -> str:
        """Return how to say what a hyperparameter is called here."""
        known = dict.fromkeys(k for level in self._accepted for k in level)
        left = [k for k in known if k not in kwargs and k != name]
        others = near(name, left) or (left if name == "lr" else [])  # a rate they all have
        if not others:
            return ""
        called = f'"{others[0]}"' if len(others) == 1 else "..."
        return f'; if {" or ".join(others)} is it, say so: hyper={{"{name}": {called}}}'

    def _refuse_dampening(self, hyper: Hyper, decoupled: bool) -> None:
        """Refuse what torch's SGD does not have: dampening of a buffer that there is none of."""
        ways = []
        for dampening in (0.0, 0.5):
            plain = {**hyper, "lr": SOME_RATE, "nesterov": False, "dampening": dampening}
            found = arguments(plain, self._accepted, self.hyper, decoupled)
            ways.append(found.kwargs | self.options)
        key = repr(ways)
        if key not in self._undamped:
            try:
                self._undamped[key] = ways[0] != ways[1] and self._same_way(*ways)
            except Exception:
                self._undamped[key] = False  # as it is asked it may do better
        if self._undamped[key]:
            name = "dampening"
            raise Lacks(name, f"has no {name} where the momentum is 0")

    def _same_way(self, *ways: Mapping[str, Any]) -> bool:
        """Return whether optimizers with other arguments take the same three steps."""
        ends = []
        for kwargs in ways:
            p = self._parameter(np.ones(2))
            optimizer = self.factory([p], **kwargs)
            for _ in range(3):
                p.grad = self.torch.full_like(p, 0.25)
                optimizer.step()
            ends.append(self._array(p).tobytes())
        return len(set(ends)) == 1

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
            said = self.hyper if isinstance(self.hyper, Mapping) else {}
            names = {} if "alpha" in ours.hyper() else {RATE: "lr"}
            names |= {called: name for name, called in said.items() if called}
            given = [_group(group, known, names) for group in groups.values()]
            return self.factory(given, **shared)
        except ValueError as refusal:
            msg = f"refuses: {refusal}"
            raise Unsupported(msg) from refusal

    def _set_rates(self, handle: Handle, lr: float) -> None:
        named = self.hyper.get("lr") if isinstance(self.hyper, Mapping) else None
        slow = {*names_of.NAMES["k"], *({RATE} & handle.ours.hyper().keys())}
        layers = {id(p): layer for layer, p in handle.params.items()}
        for _, part in parts(handle.optimizer):
            for group in part.param_groups:
                names = (named, *names_of.NAMES["lr"], *(() if slow & group.keys() else (RATE,)))
                key = next((name for name in names if name in group), "lr")
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
        for slot in self._kept(handle.ours):
            where, paths = self.where.get(slot), layout.slots.get(slot, {})
            if isinstance(where, tuple):
                for layer, p in handle.params.items():
                    now = where[0](optimizer, p)
                    kind = self.dtype if now is None else _named(now.dtype)
                    where[1](optimizer, p, self._tensor(state[slot][layer], kind))
                continue
            k = handle.ours.hyper().get("k", 1)
            if t == 0:
                paths = {layer: path for layer, path in paths.items() if path in at}
            if t == 0 and slot == "u" and "dampening" in handle.ours.hyper():
                for path in paths.values():
                    at[path].drop()  # it begins with the first gradient
                continue
            if slot not in layout.first or (t and not layout.expected(slot, t, int(k))):
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
        """Let an optimizer make its state; how it warms up is not for this gradient to choose.

        What it keeps besides slots, such as what a compensated sum has lost, is nothing yet.
        """
        groups = [g for _, part in parts(handle.optimizer) for g in part.param_groups]
        chosen = [{"warmup": group["warmup"]} if "warmup" in group else {} for group in groups]
        for layer, p in handle.params.items():
            p.grad = self.torch.full_like(p, SOME_GRADIENT)
            handle.stepped.add(layer)
        handle.optimizer.step()
        for group, kept in zip(groups, chosen, strict=True):
            group.update(kept)
        for _, part in parts(handle.optimizer):
            for p in handle.params.values():
                kept = getattr(part, "state", {}).get(p, {})
                for x in kept.values() if isinstance(kept, dict) else ():
                    if self.torch.is_tensor(x) and x.is_floating_point() and x.shape == p.shape:
                        x.detach().zero_()

    def _initial(self, ours: Optimizer, params: Params, state: Mapping[str, Any]) -> bool:
        """Return whether a state is that before the first step; SGD's rule does not read u then."""
        if state["t"] != 0 or state.get("warmup") is not None:
            return False
        return all(
            np.array_equal(state[slot][k], x)
            for slot in ours.slots() for k, x in _first(slot, params).items()
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

    def _holds(self, params: Params) -> bool:
        """Return whether the dtype of the tensors holds the parameters."""
        return all(np.array_equal(self._array(self._tensor(x)), x) for x in params.values())

    def _kept(self, ours: Optimizer) -> tuple[str, ...]:
        """Return what an optimizer keeps: slots, and the parameters if it has masters of them."""
        return ("theta", *ours.slots()) if "theta" in self.where else ours.slots()

    def _has_function(self, name: str) -> bool:
        """Return whether a function, or two, say where something is."""
        return name in self.where and not isinstance(self.where[name], str)

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
        at_start = {k: self._array(x) for k, x in first.began.items()}
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
        for slot in self._kept(ours):
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
        for t in range(len(grads)):
            if t:
                self._stepped(first, grads[t - 1])
            elif "theta" not in self.where:
                continue  # parameters alone are given at the start
            weights = self._weights(first)
            state: dict[str, Any] = {"t": t, "theta": weights}
            for slot in ours.slots():
                seen = self._slot(first, slot) if t else {}
                state[slot] = _first(slot, weights) | {k: self._array(x) for k, x in seen.items()}
            second = replace(self._begun(ours, weights), layout=layout)
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
                return self._why(course, layout, second, what)
        return ""

    def _why(self, course: Course, layout: Layout, handle: Handle, what: str) -> str:
        """Return what is not known of an optimizer that goes on otherwise, and how to tell it."""
        unseen = []
        for slot in self._kept(handle.ours):
            lacking = handle.params.keys() - layout.slots.get(slot, {}).keys()
            if lacking and not self._has_function(slot):
                some = f" of layer {min(lacking)!r}" if slot in layout.slots else ""
                unseen.append((slot, f"{slot}{some}"))
        if unseen:
            are = "is" if len(unseen) == 1 else "are"
            told = ", ".join(f'"{slot}": ...' for slot, _ in unseen)
            said = ", ".join(what for _, what in unseen)
            return f"{said} {are} not found; say where: state={{{told}}}"
        if not layout.counts and not self._has_function("t"):
            return 'no count of steps is found; say how to set it: state={"t": (read, write)}'
        said = f"it goes on with another {what} than one that took the steps"
        masters = "" if "theta" in self.where else self._masters(course, layout)
        return said + (
            f'; if {masters} is master weights, say so: state={{"theta": "{masters}"}}'
            if masters else ""
        )

    def _masters(self, course: Course, layout: Layout) -> str:
        """Return the name of what is no slot and holds the parameters after each step, if any."""
        taken = {path for paths in layout.slots.values() for path in paths.values()}
        for path, x in course.seen[-1].items():
            layer = layer_of(path)
            if path in taken or layer not in course.params[-1] or not hasattr(x, "shape"):
                continue
            pairs = zip(course.params, course.seen, strict=True)
            if x.shape == course.params[-1][layer].shape and all(
                path in seen and self._rounded(params[layer], seen[path]) for params, seen in pairs
            ):
                return name_of(path)
        return ""

    # ------------------------------------------------------------------ what else is learnt

    def _widths(self) -> dict[str, str]:
        """Return the dtypes in which slots are stored, where they are not all the same."""
        paths, widths = set[Path](), dict[str, str]()
        for algorithm, momentum in product(MOST_FIRST, (0.5, 0.0)):
            try:
                inner = self.fixed.get("inner") or next(iter(self._inners), None)
                ours = _some(algorithm, inner, momentum=momentum, weight_decay=0.0)
                handle = self._begun(ours, SOME)
                for _ in range(STEPS):
                    self._stepped(handle, {k: np.full_like(x, 0.5) for k, x in SOME.items()})
            except Exception:
                continue  # not what it is, or not without what it lacks
            shapes = {tuple(p.shape) for p in handle.params.values()}
            seen = look(handle.optimizer, handle.params).values()
            tensors = [x for x in seen if hasattr(x, "shape") and tuple(x.shape) in shapes]
            asked = [slot for slot in self._kept(ours) if self._has_function(slot)]
            if not asked and all(_named(x.dtype) == self.dtype for x in tensors):
                return {}
            layout = self._layout(ours, {layer: x.ndim for layer, x in SOME.items()})
            handle = replace(handle, layout=layout)
            for slot in self._kept(ours):
                at = set(layout.slots.get(slot, {}).values())
                tensor = next(iter(self._slot(handle, slot).values()), None)
                if tensor is not None and _named(tensor.dtype) in DTYPES and not at & paths:
                    widths.setdefault(slot, _named(tensor.dtype))
                    paths |= at
        return widths

    @cached_property
    def _inners(self) -> tuple[str, ...]:
        """What it wraps, as the class of that or else its first steps tell; none if neither."""
        found = []
        for algorithm in INSIDE:
            for decay in (0.5, 0.0):
                inner = _some(algorithm, momentum=0.0, weight_decay=decay)
                ours = Lookahead(inner=inner, k=PERIOD)
                try:
                    handle = self._begun(ours, SOME)
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
        if self.fixed.get("k", PERIOD) < PERIOD:
            return False
        grads = [{k: 0.25 + x / 4**t for k, x in SOME.items()} for t in range(PERIOD - 1)]
        try:
            for g in grads:
                self._stepped(handle, g)
        except Exception:
            return False  # the steps that are asked will tell
        wanted = reference(handle.ours, SOME, grads, SOME_RATE)["theta"]
        return all(
            np.linalg.norm(self._array(handle.params[k], float) - wanted[k])
            <= LIKE * np.linalg.norm(wanted[k] - x)
            for k, x in SOME.items()
        )

    def _refuse_inner(self, ours: Optimizer) -> None:
        if ours.inner is None or "inner" in self.fixed or not self._inners:
            return
        if ours.inner.algorithm not in self._inners:
            msg = f"wraps {' or '.join(self._inners)}, not {ours.inner.algorithm}"
            raise Unsupported(msg)

    # ------------------------------------------------------------------ arrays and tensors

    def _tensor(self, x: Any, dtype: str | None = None) -> Tensor:
        """Return a tensor of its own, of the dtype of parameters."""
        dtype = getattr(self.torch, dtype or self.dtype)
        return self.torch.tensor(np.array(x), device=self.device).to(dtype)

    def _parameter(self, x: Any) -> Tensor:
        return self.torch.nn.Parameter(self._tensor(x))

    def _array(self, x: Tensor, dtype: Any = None) -> Array:
        """Return an array of its own, in the tensor's dtype; NumPy has no bfloat16."""
        x = x.detach().cpu()
        if x.dtype == self.torch.bfloat16:
            x = x.float()
        return np.array(x.numpy(), dtype=dtype)


def _first(slot: str, params: Params) -> dict[str, Array]:
    """Return a slot before the first step."""
    return {k: np.array(x) if slot == "slow" else np.zeros_like(x) for k, x in params.items()}


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


def _named(dtype: Any) -> str:
    """Return the name of a torch dtype."""
    return str(dtype).removeprefix("torch.")


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


def _group(
    group: Mapping[str, Any], known: Collection[str], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return a group as a class knows it, which may keep the parts of a tuple apart."""
    found: dict[str, Any] = {}
    for name, value in group.items():
        parts = TUPLES.get(name, ())
        if name in known:
            found[name] = value
        elif parts and all(part in known for part in parts):
            found.update(zip(parts, value, strict=True))
        else:
            raise Lacks(names.get(name) or ours_of(name), f"has no {name} by group")
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
