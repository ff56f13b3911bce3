"""Two steps of SGD with momentum, the second by an optimizer that has loaded the state."""

import torch
import torchopt

p = torch.zeros(1, requires_grad=True)
p.grad = torch.ones(1)
first, second = (torchopt.SGD([p], lr=1.0, momentum=0.5) for _ in range(2))
first.step()
second.load_state_dict(first.state_dict())
p.grad = torch.ones(1)
second.step()
print(f"after steps of 1 and 1 + 0.5: should be at -2.5, is at {p.item()}")
