"""Lookahead of plain steps of 1 from 10, with k = 3 and alpha = 0.5."""

import torch
from timm.optim import Lookahead

p = torch.nn.Parameter(torch.tensor(10.0))
optimizer = Lookahead(torch.optim.SGD([p], lr=1.0), k=3, alpha=0.5)
seen = []
for _ in range(6):
    p.grad = torch.tensor(-1.0)
    optimizer.step()
    seen.append(p.item())
print("it has:  ", *seen)
print("paper has: 11.0 12.0 11.5 12.5 13.5 13.0")
