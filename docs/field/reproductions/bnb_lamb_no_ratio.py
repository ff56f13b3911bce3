"""Weights of norm 20 at a rate of 0.1: a step of LAMB is of norm 2."""

import torch
from bitsandbytes.optim import LAMB, AdamW

for kind in (LAMB, AdamW):
    p = torch.nn.Parameter(torch.full((4,), 10.0))
    p.grad = torch.ones(4)
    kind([p], lr=0.1, weight_decay=0.0).step()
    print(f"{kind.__name__}: a step of norm {torch.norm(10.0 - p.detach()).item():.3f}")
