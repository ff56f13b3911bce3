"""Steps of LARS with gradients of 1 and 100: a ratio makes both the weight."""

import torch
from holocron.optim import LARS

p = torch.nn.Parameter(torch.ones(1))
optimizer, v, theta = LARS([p], lr=0.1, momentum=0.9), 0.0, 1.0
for g in (1.0, 100.0):
    p.grad = torch.full((1,), g)
    optimizer.step()
    v = 0.9 * v + 0.1 * (theta / g) * g
    theta -= v
    print(f"it has {p.item():.4f}, its formulas have {theta:.4f}")
