"""L2 decay of 10 with a gradient of 0, for ten steps: by torch, and by pytorch_optimizer."""

import torch
from pytorch_optimizer import RAdam

options = {"lr": 0.1, "weight_decay": 10.0}
for make in (torch.optim.RAdam, lambda p, **more: RAdam(p, weight_decouple=False, **more)):
    p = torch.nn.Parameter(torch.ones(1))
    optimizer = make([p], **options)
    for _ in range(10):
        p.grad = torch.zeros(1)
        optimizer.step()
    print(f"{type(optimizer).__module__}: {p.item():.3f}")
