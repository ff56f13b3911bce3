"""A first step of Adam with a gradient of 1 and without eps is the rate, 0.1."""

import torch
import torchopt

for betas in ((0.9, 0.999), (0.9, 0.9999)):
    p = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    p.grad = torch.ones_like(p)
    torchopt.Adam([p], lr=0.1, betas=betas, eps=0.0).step()
    print(betas, f"{p.item():.12f}")
