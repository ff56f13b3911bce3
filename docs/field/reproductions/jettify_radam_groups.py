"""RAdam of two groups with rates of their own."""

import torch
from torch_optimizer import RAdam

fast, slow = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
optimizer = RAdam([{"params": [fast], "lr": 0.1}, {"params": [slow], "lr": 1e-6}])
fast.grad, slow.grad = torch.ones(1), torch.ones(1)
optimizer.step()
print(f"at a rate of 0.1: {fast.item():.2f}, at a rate of 0.000001: {slow.item():.2f}")
