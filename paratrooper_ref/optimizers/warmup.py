"""The first-batch rule, which says whether the first steps may be momentum steps.

Before its variance is tractable RAdam either takes plain momentum steps or none.
Paratrooper looks at the first gradient g of the whole model, d elements::

    h = Σg² / (d ((1 − β1) / (1 − β2))²)

and takes momentum steps where h <= 1/2, none where h > 1/2.

Source: Daniel Han, "State of The Art Optimizers", who calls the second choice "degenerated",
the opposite of the flag degenerated_to_sgd of RAdam's authors.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

from paratrooper_ref.arithmetic import certainly, total


def first_batch(gradients: list[Any], *, beta1: Any, beta2: Any) -> dict[str, Any]:
    """Return h, and whether it is small, for the raw gradients of the layers that have one.

    Sums are per layer first, then added in layer order; shapes ``(*batch, n)``.
    """
    elements = sum(g.shape[-1] for g in gradients)
    squares = reduce(operator.add, [total(g * g) for g in gradients])
    h = squares / (elements * ((1 - beta1) / (1 - beta2)) ** 2)
    small = certainly(operator.le, h, 0.5)
    return locals()
