"""One step of 1000 times the weights' norm, in tensors below and at min_8bit_size."""

import torch
from bitsandbytes.optim import LARS8bit

for n in (4095, 4096):
    p = torch.nn.Parameter(torch.ones(n))
    p.grad = torch.full((n,), 1000.0)
    LARS8bit([p], lr=1.0, momentum=0.9, max_unorm=0.02).step()
    print(f"{n} elements: from 1 to {p[0].item():.2f}")
