"""Foreach SGD with Nesterov's momentum and its gradients."""

import torch

for foreach in (False, True):
    p = torch.nn.Parameter(torch.ones(1))
    p.grad = torch.ones(1)
    torch.optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True, foreach=foreach).step()
    print(f"foreach={foreach}: p = {p.item():.2f}, p.grad was 1.0, is {p.grad.item():.1f}")
