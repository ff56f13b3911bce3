"""How optimizers that are no torch.optim.Optimizer, or keep their state otherwise, are asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from paratrooper_ref.conformance import KernelBackend, OptaxBackend, Profile, TorchBackend


def attribute(path: str) -> Any:
    """Return what "module:name" is."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


class Fresh(KernelBackend):
    """A function without a buffer where momentum is 0: what is kept of it then says nothing."""

    def read(self, handle: Any) -> Any:
        """Return parameters and slots, but for the buffer where there is none."""
        found = dict(super().read(handle))
        if handle.optimizer.hyper().get("momentum") == 0:
            found.pop("u", None)
        return found


# --- torch --------------------------------------------------------------------------------------


def torch(path: str, **more: Any) -> Callable[[str], Any]:
    """Return how a class of torch's kind is made a backend."""
    return lambda dtype: TorchBackend(attribute(path), dtype=dtype, **more)


def looking(
    path: str, inner: str = "torch.optim:AdamW", k: str = "k", alpha: str = "alpha",
    shown: bool = True,
) -> Callable[[str], Any]:
    """Return how a wrapper that looks ahead of AdamW is made a backend.

    It calls k and alpha as it is told; if it is not shown only weights are seen.
    """

    def make(dtype: str) -> Any:
        wrapper, wrapped = attribute(path), attribute(inner)
        names = {"k": k, "alpha": alpha}

        def factory(
            params: Any, lr: float, betas: Any, eps: float, weight_decay: float, k: int,
            alpha: float,
        ) -> Any:
            fast = wrapped(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
            return wrapper(fast, **{names["k"]: k, names["alpha"]: alpha})

        hidden: dict[str, Any] = {} if shown else {
            "state": dict.fromkeys(("m", "v", "slow"), _unseen),
            "profile": Profile(dtype=dtype, inject=False),
        }
        return TorchBackend(
            factory, dtype=dtype, name=f"{path.replace(':', '.')} of AdamW",
            fixed={"inner": "adamw"}, **hidden,
        )

    return make


def _unseen(optimizer: Any, p: Any) -> None:
    """Return nothing of a slot that cannot be seen."""


def in_float32(path: str, **more: Any) -> Callable[[str], Any]:
    """Return how a class that steps in float32, whatever its tensors are, is made a backend.

    What it does not implement it refuses.
    """

    def make(dtype: str) -> Any:
        class Refusing(attribute(path)):  # type: ignore[misc]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                try:
                    super().__init__(*args, **kwargs)
                except NotImplementedError as error:
                    raise ValueError(str(error)) from error

        narrow = {} if dtype == "float32" else {"theta": dtype, "g": dtype}
        return TorchBackend(
            Refusing, dtype=dtype, name=path.replace(":", "."),
            profile=Profile(dtype="float32", slots=narrow), **more,
        )

    return make


def tensors(dtype: str) -> Callable[[Any, str], Any]:
    """Return what makes a tensor of an array."""
    module = import_module("torch")
    kind = getattr(module, dtype)
    return lambda x, _: module.tensor(np.array(x)).to(kind)


def arrays(x: Any) -> Any:
    """Return the array of a tensor; NumPy has no bfloat16."""
    x = x.detach()
    return np.array((x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy())


def layer_of(path: str, *, axes: int) -> Callable[[str], Any]:
    """Return how a class that treats vectors otherwise is made a backend.

    It is asked for LARS of matrices, whose one row a layer is; of vectors it is SGD.
    """

    def make(dtype: str) -> Any:
        module = import_module("torch")

        def run(theta: Any, g: Any, u: Any, t: int, momentum: float, **hyper: Any) -> Any:
            shape = (1,) * (axes - 1) + (-1,)
            p = module.nn.Parameter(theta.reshape(shape))
            p.grad = g.reshape(shape)
            optimizer = attribute(path)([p], momentum=momentum, **hyper)
            if momentum and t > 1:
                optimizer.state[p]["momentum_buffer"] = u.clone().reshape(shape)
            optimizer.step()
            u = optimizer.state[p]["momentum_buffer"] if momentum else u
            return {"theta": p.detach().reshape(-1), "u": u.reshape(-1)}

        def lars(
            theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, weight_decay: float,
            trust_coefficient: float,
        ) -> Any:
            return run(
                theta, g, u, t, momentum, lr=lr, weight_decay=weight_decay,
                trust_coefficient=trust_coefficient,
            )

        def sgd(
            theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
            nesterov: bool,
        ) -> Any:
            return run(theta, g, u, t, momentum, lr=lr, dampening=dampening, nesterov=nesterov)

        return Fresh(
            sgd if axes == 1 else lars, to=tensors(dtype), back=arrays, dtype=dtype,
            fixed={"weight_decay": 0.0} if axes == 1 else {"eps": 0.0},
            name=f"{path.replace(':', '.')} of {'vectors' if axes == 1 else 'matrices'}",
        )

    return make


# --- torchopt -----------------------------------------------------------------------------------


def torchopt(name: str, *, inplace: bool = False, **options: Any) -> Callable[[str], Any]:
    """Return how a function of torchopt that makes a transformation is made a backend."""

    def make(dtype: str) -> Any:
        module, torch_ = import_module("torchopt"), import_module("torch")

        def fields(part: Any) -> Any:
            return getattr(part, "_fields", ())

        def run(
            theta: Any, g: Any, state: Mapping[str, Any], t: int, **hyper: Any
        ) -> dict[str, Any]:
            transformation = getattr(module, name)(**hyper, **options)
            held = transformation.init((theta,))
            if t > 1:  # it keeps for itself that it was called before
                none = torch_.zeros_like(theta)
                transformation.update((none,), held, params=(theta,), inplace=False)
                given: dict[str, Any] = {slot: [x] for slot, x in state.items()}
                given |= {"count": [torch_.tensor(t - 1)], "t": t}
                held = tuple(
                    part._replace(**{k: x for k, x in given.items() if k in fields(part)})
                    if fields(part) else part
                    for part in held
                )
            updates, held = transformation.update(
                (g,), held, params=(theta,), inplace=inplace
            )
            found = dict(state)
            for part in held:
                found |= {k: getattr(part, k)[0] for k in state if k in fields(part)}
            return found | {"theta": module.apply_updates((theta,), updates, inplace=False)[0]}

        def sgd(
            theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
            nesterov: bool, weight_decay: float,
        ) -> Any:
            found = run(
                theta, g, {"trace": u}, t, lr=lr, momentum=momentum, dampening=dampening,
                nesterov=nesterov, weight_decay=weight_decay,
            )
            return {"theta": found["theta"], "u": found["trace"]}

        def adam(
            theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
            eps: float, weight_decay: float,
        ) -> Any:
            found = run(
                theta, g, {"mu": m, "nu": v}, t, lr=lr, betas=(beta1, beta2), eps=eps,
                weight_decay=weight_decay,
            )
            return {"theta": found["theta"], "m": found["mu"], "v": found["nu"]}

        fixed = {"threshold": 5.0, "warmup": "momentum"} if name == "radam" else {}
        return Fresh(
            sgd if name == "sgd" else adam, to=tensors(dtype), back=arrays, fixed=fixed,
            name=f"torchopt.{name}",
            profile=Profile(
                dtype=dtype, scalars="mixed" if name in ("adam", "adamw") else "float64"
            ),
        )

    return make


# --- optax --------------------------------------------------------------------------------------


def optax(name: str, jit: bool = False, **more: Any) -> Callable[[str], Any]:
    """Return how a factory of optax is made a backend."""
    return lambda dtype: OptaxBackend(
        attribute(f"optax:{name}"), dtype=dtype, jit=jit, **more
    )


def optax_of(make: Callable[[Any, Any], Any], name: str, **more: Any) -> Callable[[str], Any]:
    """Return how what a function makes of optax and hyperparameters is made a backend."""

    def made(dtype: str) -> Any:
        module = import_module("optax")
        return OptaxBackend(lambda h: make(module, h), dtype=dtype, name=name, **more)

    return made


# --- keras --------------------------------------------------------------------------------------


def keras(name: str, slots: Mapping[str, str], **more: Any) -> Callable[[str], Any]:
    """Return how an optimizer of Keras, on torch, is made a backend.

    Keras's ``slots`` hold what ours do; a "-" is for the other sign.
    """

    def make(dtype: str) -> Any:
        os.environ.setdefault("KERAS_BACKEND", "torch")
        module = import_module("keras")
        ops, kind = module.ops, getattr(module.optimizers, name)

        def host(x: Any) -> Any:
            return np.array(module.ops.convert_to_numpy(ops.cast(x, wide)))

        wide = "float64" if dtype == "float64" else "float32"

        def run(theta: Any, g: Any, state: Mapping[str, Any], t: int, **hyper: Any) -> Any:
            module.config.set_floatx(wide)  # in which the rate and constants are kept
            variable = module.Variable(theta, dtype=dtype)
            optimizer = kind(**hyper)
            optimizer.build([variable])
            optimizer.iterations.assign(t - 1)
            held = {slot: getattr(optimizer, where.removeprefix("-"))[0]
                    for slot, where in slots.items() if getattr(optimizer, where.removeprefix("-"))}
            for slot, cell in held.items():
                sign = -1 if slots[slot].startswith("-") else 1
                cell.assign(ops.cast(sign * state[slot], dtype))
            optimizer.apply([ops.cast(ops.convert_to_tensor(g), dtype)], [variable])
            found = {"theta": host(variable)}
            for slot in state:
                sign = -1 if slots[slot].startswith("-") else 1
                found[slot] = sign * host(held[slot]) if slot in held else state[slot]
            return found

        def sgd(
            theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, nesterov: bool
        ) -> Any:
            return run(
                theta, g, {"u": u}, t, learning_rate=lr, momentum=float(momentum),
                nesterov=nesterov,
            )

        def adam(
            theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
            eps: float,
        ) -> Any:
            return run(
                theta, g, {"m": m, "v": v}, t, learning_rate=lr, beta_1=beta1, beta_2=beta2,
                epsilon=eps,
            )

        def decayed(
            theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
            eps: float, weight_decay: float,
        ) -> Any:
            return run(
                theta, g, {"m": m, "v": v}, t, learning_rate=lr, beta_1=beta1, beta_2=beta2,
                epsilon=eps, weight_decay=weight_decay,
            )

        fn: Any = {"SGD": sgd, "Adam": adam}.get(name, decayed)
        return Fresh(
            fn, to=lambda x, _: x, name=f"keras.optimizers.{name}",
            profile=Profile(dtype=dtype, scalars="array"), **more,
        )

    return make


# --- fastai -------------------------------------------------------------------------------------


def fastai(name: str, **options: Any) -> Callable[[str], Any]:
    """Return how a function of fastai.optimizer that makes an optimizer is made a backend."""

    def make(dtype: str) -> Any:
        torch_ = import_module("torch")
        factory = attribute(f"fastai.optimizer:{name}")
        wrapped = name == "ranger"

        def run(
            theta: Any, g: Any, state: Mapping[str, Any], t: int, slow: Any = None, **hyper: Any
        ) -> Any:
            p = torch_.nn.Parameter(theta)
            p.grad = g
            optimizer = factory([p], **hyper, **options)
            if t > 1:
                inner = optimizer.opt if wrapped else optimizer
                inner.state[p] = dict(state) | {"step": t - 1}
            if slow is not None:
                optimizer._copy_weights()
                optimizer.slow_weights[0][0].copy_(slow)
                optimizer.count = t - 1
            optimizer.step()
            inner = optimizer.opt if wrapped else optimizer
            found = {"theta": p.detach()} | {k: inner.state[p].get(k, x) for k, x in state.items()}
            return found | ({} if slow is None else {"slow": optimizer.slow_weights[0][0]})

        def ours(found: Mapping[str, Any], **names: str) -> dict[str, Any]:
            return {slot: found[name] for slot, name in names.items()}

        def sgd(
            theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, weight_decay: float
        ) -> Any:
            found = run(theta, g, {"grad_avg": u}, t, lr=lr, mom=momentum, wd=weight_decay)
            return ours(found, theta="theta", u="grad_avg")

        def adam(
            theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
            eps: float, weight_decay: float,
        ) -> Any:
            found = run(
                theta, g, {"grad_avg": m, "sqr_avg": v}, t, lr=lr, mom=beta1, sqr_mom=beta2,
                eps=eps, wd=weight_decay,
            )
            return ours(found, theta="theta", m="grad_avg", v="sqr_avg")

        def ranger(
            theta: Any, g: Any, m: Any, v: Any, slow: Any, t: int, lr: float, beta1: float,
            beta2: float, eps: float, weight_decay: float, k: int, alpha: float,
        ) -> Any:
            found = run(
                theta, g, {"grad_avg": m, "sqr_avg": v}, t, slow, lr=lr, mom=beta1,
                sqr_mom=beta2, eps=eps, wd=weight_decay, k=k, alpha=alpha,
            )
            return ours(found, theta="theta", m="grad_avg", v="sqr_avg", slow="slow")

        def larc(
            theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float,
            trust_coefficient: float, weight_decay: float, eps: float,
        ) -> Any:
            found = run(
                theta, g, {"grad_avg": u} if momentum else {}, t, lr=lr, mom=momentum,
                trust_coeff=trust_coefficient, eps=eps, wd=weight_decay,
            )
            return {"theta": found["theta"], "u": found.get("grad_avg", u)}

        fn: Any = {"SGD": sgd, "ranger": ranger, "Larc": larc}.get(name, adam)
        fixed = {"threshold": 5.0, "warmup": "momentum", "l2": 0.0}
        if options.get("decouple_wd") is False:
            del fixed["l2"]
        return Fresh(
            fn, to=tensors(dtype), back=arrays, fixed=fixed, dtype=dtype,
            name=f"fastai.optimizer.{name}",
        )

    return make
