"""The length of LAMB's first steps over lr times the norm of the weights: the ratio makes it 1."""

import torch
from pytorch_optimizer import Lamb

p = torch.nn.Parameter(torch.ones(4))
optimizer = Lamb([p], lr=0.001)
for t in range(1, 4):
    p.grad, before = torch.ones(4), p.detach().clone()
    optimizer.step()
    print(f"t = {t}: {(p - before).norm().item() / (0.001 * before.norm().item()):.2f}")
