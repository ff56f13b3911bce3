"""The reference of Paratrooper and its family, in NumPy, as published.

    opt = pr.Paratrooper(lr=1e-3)
    state = opt.init({"x": np.array([-1.2, 1.0])})
    state, lines = opt.step(state, {"x": gradient})
    trajectory = pr.run(opt, problems.rosenbrock(), steps=500)

Each algorithm is one file of `paratrooper_ref.optimizers`; how its numbers are formed is the
business of `paratrooper_ref.arithmetic`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# Where each public name lives.  Names are imported when they are first used, so that importing
# the package costs no more than importing NumPy.
_HOMES = {
    "arithmetic": ("Undecided",),
    "optimizers": (
        "LAMB",
        "LARS",
        "SGD",
        "Adam",
        "AdamW",
        "Lines",
        "Lookahead",
        "NonFiniteError",
        "Optimizer",
        "Paratrooper",
        "RAdam",
        "RAdamW",
        "Ranger",
        "RangerLars",
        "State",
        "build",
    ),
    "schedules": ("FlatThenCosine", "LinearWarmup", "ReduceOnPlateau"),
    "trajectory": ("Trajectory", "load", "run"),
}

if TYPE_CHECKING:
    from paratrooper_ref.arithmetic import Undecided
    from paratrooper_ref.optimizers import (
        LAMB,
        LARS,
        SGD,
        Adam,
        AdamW,
        Lines,
        Lookahead,
        NonFiniteError,
        Optimizer,
        Paratrooper,
        RAdam,
        RAdamW,
        Ranger,
        RangerLars,
        State,
        build,
    )
    from paratrooper_ref.schedules import FlatThenCosine, LinearWarmup, ReduceOnPlateau
    from paratrooper_ref.trajectory import Trajectory, load, run

__all__ = [
    "LAMB",
    "LARS",
    "SGD",
    "Adam",
    "AdamW",
    "FlatThenCosine",
    "LinearWarmup",
    "Lines",
    "Lookahead",
    "NonFiniteError",
    "Optimizer",
    "Paratrooper",
    "RAdam",
    "RAdamW",
    "Ranger",
    "RangerLars",
    "ReduceOnPlateau",
    "State",
    "Trajectory",
    "Undecided",
    "__version__",
    "build",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
