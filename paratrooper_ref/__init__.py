"""The reference of Paratrooper and its family, in NumPy, as published.

    opt = pr.Paratrooper(lr=1e-3)
    state = opt.init({"x": np.array([-1.2, 1.0])})
    state, lines = opt.step(state, {"x": gradient})
    trajectory = pr.run(opt, problems.rosenbrock(), steps=500)

Each algorithm is one file of `paratrooper_ref.optimizers`; how its numbers are formed is the
business of `paratrooper_ref.arithmetic`.
"""

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

__version__ = "0.1.0"

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
