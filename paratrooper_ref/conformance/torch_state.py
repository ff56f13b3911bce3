"""The state of an optimizer of torch: steps change it, slots are read, and it can be set.

States are set as they arise: an optimizer takes a step, so that it makes its entries, and they
are overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.conformance.backend import Array, Params, Unsupported
from paratrooper_ref.conformance.cells import Cell, Path, cells, in_groups, layer_of, parts
from paratrooper_ref.conformance.layout import copied
from paratrooper_ref.conformance.torch_making import (
    Handle,
    Maker,
    Tensor,
    array,
    dtype_of,
    rounded,
    the_torch,
)
from paratrooper_ref.optimizers import Optimizer

SOME_GRADIENT: Final = 2.0**-4  # of the step that makes an optimizer's state, to be overwritten


@dataclass(frozen=True)
class Keeper:
    """What reads and sets the state of the optimizers of a `TorchBackend`.

    Where it is has been told, as the ``state`` of that, or is in the layout of a handle.
    """

    maker: Maker
    where: Mapping[str, Any]

    def name(self, what: str) -> str | None:
        """Return the name under which something is, if one was told."""
        where = self.where.get(what)
        return where if isinstance(where, str) else None

    def reader(self, what: str) -> Callable[..., Any] | None:
        """Return the function that reads something, if one was told."""
        where = self.where.get(what)
        found: Any = where[0] if isinstance(where, tuple) else where
        return None if isinstance(found, str) else found

    def writer(self, what: str) -> Callable[..., Any] | None:
        """Return the function that writes something, if one was told."""
        where = self.where.get(what)
        return where[1] if isinstance(where, tuple) else None

    def kept(self, ours: Optimizer) -> tuple[str, ...]:
        """Return what an optimizer keeps: slots, and the parameters if it has masters of them."""
        return ("theta", *ours.slots()) if "theta" in self.where else ours.slots()

    def step(self, handle: Handle, grads: Mapping[str, Tensor | None], lr: float) -> None:
        """Take a step; the gradients are the optimizer's to change."""
        self.maker.set_rates(handle, lr)
        if handle.given is not None:
            self._write(handle, handle.given)
        for layer, p in handle.params.items():
            p.grad = grads[layer]
            if p.grad is not None:
                handle.stepped.add(layer)
        handle.optimizer.step()

    # ------------------------------------------------------------------ reading

    def slot(self, handle: Handle, slot: str) -> dict[str, Tensor]:
        """Return a slot's tensors by layer, as far as they are there."""
        if (read := self.reader(slot)) is not None:
            found = {k: read(handle.optimizer, p) for k, p in handle.params.items()}
            return {k: x for k, x in found.items() if x is not None}
        at = cells(handle.optimizer, handle.params)
        paths = handle.layout.slots.get(slot, {})
        return {layer: at[path].value for layer, path in paths.items() if path in at}

    def shown(self, handle: Handle, slot: str) -> dict[str, Array] | None:
        """Return a slot of all layers; None if it cannot be seen.

        A layer without a gradient as yet may have none, and will have it.
        """
        if handle.given is not None and self.writer(slot) is not None:
            # Written again in the step: what it is there may depend on the rate.
            return {k: np.array(handle.given[slot][k]) for k in handle.params}
        there = {layer: array(x) for layer, x in self.slot(handle, slot).items()}
        absent = handle.params.keys() - there.keys()
        come = absent if self.reader(slot) else absent & handle.layout.slots.get(slot, {}).keys()
        if not there or absent - (come - handle.stepped):
            return None
        kind = next(iter(there.values())).dtype
        there |= at_first(slot, {layer: array(handle.began[layer], kind) for layer in absent})
        return {layer: there[layer] for layer in handle.params}

    def weights(self, handle: Handle, kind: Any = None) -> dict[str, Array]:
        """Return the parameters, or the masters that they are copies of.

        Before there are masters, what is shown has the dtype of parameters, or another kind.
        """
        found = {layer: array(p) for layer, p in handle.params.items()}
        if "theta" not in self.where:
            return found
        masters = self.slot(handle, "theta")
        for layer, p in handle.params.items():
            master, own = masters.get(layer), found[layer].dtype if kind is None else kind
            if master is not None and tuple(master.shape) == tuple(p.shape):
                exact = array(master)
                if rounded(p, master):
                    found[layer] = exact
                    continue
                own = exact.dtype
            found[layer] = found[layer].astype(own)  # not what the masters say, or before any
        return found

    # ------------------------------------------------------------------ setting

    def initial(self, ours: Optimizer, params: Params, state: Mapping[str, Any]) -> bool:
        """Return whether a state is that before the first step; SGD's rule does not read u then."""
        if state["t"] != 0 or state.get("warmup") is not None:
            return False
        return all(
            np.array_equal(state[slot][k], x)
            for slot in ours.slots() for k, x in at_first(slot, params).items()
            if not (slot == "u" and "dampening" in ours.hyper())
        )

    def set(self, handle: Handle, state: Mapping[str, Any]) -> Handle:
        """Return a handle whose optimizer has a state, parameters among it.

        Raises
        ------
        Unsupported
            If what there is to be set is not known, or the choice of a warm-up cannot be told.
        """
        if handle.layout.whole:
            msg = f"its state cannot be set: {handle.layout.whole}"
            raise Unsupported(msg)
        self._refuse_warmup(handle.ours, state)
        self._prime(handle)
        self._write(handle, state)
        asked = any(self.writer(slot) is not None for slot in state)
        return replace(handle, given=state if asked else None)

    def _refuse_warmup(self, ours: Optimizer, state: Mapping[str, Any]) -> None:
        """Refuse a choice that the optimizer cannot be told, where it still decides a step."""
        if ours.hyper().get("warmup") != "auto" or state.get("warmup") is None:
            return
        if self.writer("warmup") or any("warmup" in names for names in self.maker.accepted):
            return
        for layer in (None, *ours.layer_names()):
            hyper = ours.hyper(layer)
            beta2, t = scalar(EXACT, hyper["beta2"]), int(state["t"]) + 1
            rho = 2 / (1 - beta2) - 1 - 2 * t * beta2**t / (1 - beta2**t)
            if not rho > hyper["threshold"]:
                msg = "cannot be told which warm-up was chosen"
                raise Unsupported(msg)

    def _prime(self, handle: Handle) -> None:
        """Let an optimizer make its state; how it warms up is not for this gradient to choose.

        What it keeps besides slots, such as what a compensated sum has lost, is nothing yet.
        """
        torch = the_torch()
        groups = [g for _, part in parts(handle.optimizer) for g in part.param_groups]
        chosen = [{"warmup": group["warmup"]} if "warmup" in group else {} for group in groups]
        for layer, p in handle.params.items():
            p.grad = torch.full_like(p, SOME_GRADIENT)
            handle.stepped.add(layer)
        handle.optimizer.step()
        for group, kept in zip(groups, chosen, strict=True):
            group.update(kept)
        for _, part in parts(handle.optimizer):
            for p in handle.params.values():
                kept = getattr(part, "state", {}).get(p, {})
                for x in kept.values() if isinstance(kept, dict) else ():
                    if torch.is_tensor(x) and x.is_floating_point() and x.shape == p.shape:
                        x.detach().zero_()

    def _write(self, handle: Handle, state: Mapping[str, Any]) -> None:
        """Put a state in the place of what is there."""
        with the_torch().no_grad():
            for layer, p in handle.params.items():
                p.copy_(handle.began[layer])
                p.grad = None
        at = cells(handle.optimizer, handle.params)
        self._write_count(handle, at, int(state["t"]))
        for slot in self.kept(handle.ours):
            if (write := self.writer(slot)) is None:
                self._write_slot(handle, at, slot, state)
                continue
            found = self.slot(handle, slot)
            for layer, p in handle.params.items():
                kind = dtype_of(found[layer]) if layer in found else None
                write(handle.optimizer, p, self.maker.tensor(state[slot][layer], kind))
        if (warmup := state.get("warmup")) is None:
            return
        if (write := self.writer("warmup")) is not None:
            write(handle.optimizer, warmup)
        else:
            for group in handle.optimizer.param_groups:
                if "warmup" in group:
                    group["warmup"] = warmup

    def _write_count(self, handle: Handle, at: Mapping[Path, Cell], t: int) -> None:
        for count in handle.layout.counts:
            value = t + count.offset
            if count.phase:
                hyper = handle.ours.hyper(layer_of(count.path))
                value %= int(self.maker.fixed.get("k", hyper["k"]))
            for path in in_groups(count.path, at):  # the small one may have had fewer
                at[path].put(value)
        if (write := self.writer("t")) is not None:
            write(handle.optimizer, t)

    def _write_slot(
        self, handle: Handle, at: Mapping[Path, Cell], slot: str, state: Mapping[str, Any]
    ) -> None:
        """Write a slot that the layout says the place of, if the optimizer has one by then."""
        t, layout, hyper = int(state["t"]), handle.layout, handle.ours.hyper()
        paths = layout.slots.get(slot, {})
        if t and paths and not layout.expected(slot, t, int(hyper.get("k", 1))):
            return
        for layer, path in paths.items():
            if t == 0 and path not in at:
                continue
            if t == 0 and slot == "u" and "dampening" in hyper:
                at[path].drop()  # it begins with the first gradient
                continue
            cell = at[path] if path in at else _made(handle, layer, path)
            # The dtype is that of the cell.
            cell.put(self.maker.tensor(state[slot][layer], "float64"))


def at_first(slot: str, params: Params) -> dict[str, Array]:
    """Return a slot before the first step."""
    return {k: np.array(x) if slot == "slow" else np.zeros_like(x) for k, x in params.items()}


def _made(handle: Handle, layer: str, path: Path) -> Cell:
    """Return the cell of a path that would come with a synchronisation."""
    *upper, state, _, key = path
    part = handle.optimizer
    for name in upper:
        part = getattr(part, str(name))
    p = handle.params[layer]
    held = getattr(part, str(state))[p]
    held[key] = copied(p)
    return Cell(held, key)
