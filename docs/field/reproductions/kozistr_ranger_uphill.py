"""Ranger with its defaults on x^2 from x = 1: the loss of the first steps."""

import torch
from pytorch_optimizer import Ranger

x = torch.nn.Parameter(torch.ones(1))
optimizer = Ranger([x], lr=0.1)
for t in range(1, 6):
    x.grad = 2 * x.detach()
    optimizer.step()
    print(f"t = {t}: x = {x.item():.3f}, x^2 = {x.item() ** 2:.3f}")
