"""The defaults of LARS."""

import inspect

from torch_optimizer import LARS

for name in ("lr", "trust_coefficient"):
    print(name, "=", inspect.signature(LARS).parameters[name].default)
