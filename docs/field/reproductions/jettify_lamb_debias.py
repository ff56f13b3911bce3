"""The length of LAMB's first step over lr times the norm of the weights: the ratio makes it 1."""

import torch
from torch_optimizer import Lamb

for debias in (False, True):
    p = torch.nn.Parameter(torch.ones(4))
    p.grad = torch.ones(4)
    Lamb([p], lr=0.1, debias=debias).step()
    print(f"debias={debias}: {(1 - p).norm().item() / (0.1 * 2):.3f}")
