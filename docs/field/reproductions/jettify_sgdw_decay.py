"""Decay of 0.5 at a rate of 0.1 without a gradient: each weight should be 0.95 of what it was."""

import torch
from torch_optimizer import SGDW

p = torch.nn.Parameter(torch.tensor([-10.0, 0.0, 10.0]))
p.grad = torch.zeros(3)
SGDW([p], lr=0.1, weight_decay=0.5).step()
print([round(x, 6) for x in p.tolist()])
