"""A step with decay and without a gradient."""

import torch
from bitsandbytes.optim import Adam, AdamW

for kind in (Adam, AdamW, torch.optim.Adam, torch.optim.AdamW):
    p = torch.nn.Parameter(torch.ones(1))
    p.grad = torch.zeros(1)
    kind([p], lr=0.1, weight_decay=0.5).step()
    print(f"{kind.__module__}.{kind.__name__}: from 1 to {p.item():.3f}")
