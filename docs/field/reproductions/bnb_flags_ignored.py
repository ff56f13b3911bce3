"""Three steps with a flag, and without."""

import torch
from bitsandbytes.optim import LAMB, SGD, Adam

flags = {SGD: {"nesterov": True}, Adam: {"amsgrad": True}, LAMB: {"bias_correction": False}}
for kind, flag in flags.items():
    for given in ({}, flag):
        p = torch.nn.Parameter(torch.ones(1))
        optimizer = kind([p], lr=0.1, **({"momentum": 0.9} if kind is SGD else {}), **given)
        for g in (1.0, 0.1, 0.1):
            p.grad = torch.full((1,), g)
            optimizer.step()
        print(kind.__name__, given, round(p.item(), 4))
