"""Fused SGD on a CPU, by dtype and number of elements."""

import torch

for dtype in (torch.float32, torch.bfloat16, torch.float16):
    for n in (7, 64):
        p = torch.nn.Parameter(torch.ones(n, dtype=dtype))
        p.grad = torch.ones_like(p)
        torch.optim.SGD([p], lr=1.0, fused=True).step()
        print(dtype, n, "ones, minus 1:", sorted(set(p.tolist())))
