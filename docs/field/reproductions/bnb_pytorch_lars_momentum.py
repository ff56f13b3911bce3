"""A step without momentum, which is the default."""

import torch
from bitsandbytes.optim import PytorchLARS

p = torch.nn.Parameter(torch.ones(1))
p.grad = torch.ones(1)
try:
    PytorchLARS([p], lr=0.1).step()
except UnboundLocalError as error:
    print("UnboundLocalError:", error)
