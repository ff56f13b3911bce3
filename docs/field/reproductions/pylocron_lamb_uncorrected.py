"""A first step with decay of 1: by the formulas r + theta is 1 + theta."""

import torch
from holocron.optim import LAMB

theta = torch.tensor([3.0, -4.0])
p = torch.nn.Parameter(theta.clone())
p.grad = torch.ones(2)
LAMB([p], lr=0.1, weight_decay=1.0).step()
print("it has:      ", p.detach())
print("its formulas:", theta - 0.1 * theta.norm() * (1 + theta) / (1 + theta).norm())
