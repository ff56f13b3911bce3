"""Saving."""

import torch
from holocron.optim.wrapper import Lookahead

p = torch.nn.Parameter(torch.ones(1))
try:
    Lookahead(torch.optim.SGD([p], lr=0.1)).state_dict()
except AttributeError as error:
    print("AttributeError:", error)
