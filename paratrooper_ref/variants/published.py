"""Where each rule is published: what the line of a variant departs from can be read there."""

from __future__ import annotations

from typing import Final, NamedTuple

_TORCH: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim"
_HAN: Final = "https://danielhanchen.github.io"


class Source(NamedTuple):
    """A publication, in a few words, and its link."""

    title: str
    link: str


_LARS: Final = Source("You, Gitman and Ginsburg, Algorithm 1", "https://arxiv.org/abs/1708.03888")
_LAMB: Final = "https://arxiv.org/abs/1904.00962"
_PLATEAU: Final = Source("torch's ReduceLROnPlateau", f"{_TORCH}/lr_scheduler.py")
_OVER9000: Final = "https://github.com/mgrankin/over9000/blob/094f4d3/train.py"

PUBLISHED: Final[dict[str, Source]] = {
    "sgd": Source("torch.optim.SGD", f"{_TORCH}/sgd.py"),
    "adam": Source("Kingma and Ba, Algorithm 1", "https://arxiv.org/abs/1412.6980"),
    "adamw": Source("Loshchilov and Hutter, Algorithm 2", "https://arxiv.org/abs/1711.05101"),
    "radam": Source("Liu et al., Algorithm 2", "https://arxiv.org/abs/1908.03265"),
    "radamw": Source(
        "the code of Liu et al.",
        "https://github.com/LiyuanLucasLiu/RAdam/blob/d9fd30a/radam/radam.py",
    ),
    "lars_2017": _LARS,
    "lars_2019": Source("You et al., Algorithm 1", _LAMB),
    "lamb": Source("You et al., Algorithm 2", _LAMB),
    "lookahead": Source("Zhang et al., Algorithm 1", "https://arxiv.org/abs/1907.08610"),
    "rangerlars": Source("Han, State of The Art Optimizers", _HAN),
    "paratrooper": Source("Han, State of The Art Optimizers", _HAN),
    "first_batch": Source("Han, RAdam Rectified Adam", _HAN),
    "ReduceOnPlateau.__call__": _PLATEAU,
    "ReduceOnPlateau._better": _PLATEAU,
    "FlatThenCosine.__call__": Source("Grankin, over9000", _OVER9000),
    "LinearWarmup.__call__": Source("Ma and Yarats", "https://arxiv.org/abs/1910.04209"),
}
"""By rule: a function of `paratrooper_ref.optimizers`, or a method of a schedule."""
