"""Adapter faults: what goes wrong around the lines of an algorithm, as data.

A fault is no line: it is in how an implementation keeps its state, treats what it is given, or
tells layers apart.  Each names the verdict of the conformance kit that it has to get; the tests
of the kit hold a backend with that fault, and nothing else, to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal[
    "departs", "raises", "hangs", "wrong layers", "wrong shape", "wrong dtype", "not finite",
    "changes its gradient", "changes its input", "aliases its state", "loses its state",
    "keeps state", "forgets on reload",
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is wrong, or otherwise, and is no line of a rule.

    Parameters
    ----------
    name : str
        "where.what", such as "count.bfloat16".
    what : str
        What it does, in a few words.
    seen, link : str
        Where it is or was, and where that can be read; "a mutant" where it is not known to be.
    check : str
        The verdict of the conformance kit that finds it.
    where : str
        The cases that show it, where not all do.
    """

    name: str
    what: str
    seen: str
    link: str = ""
    check: Verdict
    where: str = ""


_TORCH: Final = "https://github.com/pytorch/pytorch"
_LOOKAHEAD: Final = "https://github.com/michaelrzhang/lookahead/blob/c4fd85f"
_RANGER: Final = "https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer"
_APEX: Final = "https://github.com/NVIDIA/apex/blob/6424da3"

FAULTS: Final[dict[str, Fault]] = {
    f.name: f
    for f in (
        # What it is given.
        Fault(
            name="gradient.written",
            what="adds the decay, the momentum or a factor to the gradient it is given",
            seen="torch's foreach optimizers and its first SGD, MLX, fastai's L2, timm's LARS",
            link=f"{_TORCH}/issues/92706",
            check="changes its gradient",
            where="decay, momentum or a factor that makes it another",
        ),
        Fault(
            name="gradient.overwritten",
            what="leaves the update where the gradient was",
            seen="apex's FusedLAMB",
            link=f"{_APEX}/csrc/multi_tensor_lamb.cu",
            check="changes its gradient",
        ),
        Fault(
            name="gradient.dropped",
            what="takes gradients out of the mapping it is given",
            seen="a mutant",
            check="changes its gradient",
        ),
        Fault(
            name="gradient.clipped",
            what="divides all gradients by their common norm where that is above 1",
            seen="apex's FusedLAMB, unless it is told not to",
            link=f"{_APEX}/apex/optimizers/fused_lamb.py",
            check="departs",
            where="gradients of a norm above 1",
        ),
        Fault(
            name="gradient.clipped_by_layer",
            what="divides the gradient of each layer by its norm where that is above 1",
            seen="BERT's Adam in PyTorch, by default",
            link=(
                "https://github.com/huggingface/transformers/blob/1de35b6/"
                "pytorch_pretrained_bert/optimization.py"
            ),
            check="departs",
            where="gradients of a norm above 1",
        ),
        Fault(
            name="gradient.clamped",
            what="clips each element of a gradient by its value",
            seen="Pyro's ClippedAdam, to ±10 unless it is told otherwise",
            link="https://github.com/pyro-ppl/pyro/blob/42856b4/pyro/optim/clipped_adam.py",
            check="departs",
            where="elements of a gradient above the limit",
        ),
        Fault(
            name="gradient.centralised",
            what="takes from each row of a gradient its mean",
            seen="Ranger since 2020, whose flag is printed and not asked",
            link=f"{_RANGER}/blob/c82a304/ranger/ranger.py",
            check="departs",
            where="layers of two axes or more",
        ),
        Fault(
            name="input.written",
            what="steps in the very arrays of parameters it is given",
            seen="a mutant",
            check="changes its input",
        ),
        Fault(
            name="input.dropped",
            what="takes entries out of the mapping it is given to load",
            seen="fastai's Lookahead: slow weights and count are popped from the caller's dict",
            link="https://github.com/fastai/fastai/blob/2.8.12/fastai/optimizer.py",
            check="changes its input",
        ),
        # What it keeps.
        Fault(
            name="state.aliased",
            what="shows arrays that its next step writes to",
            seen="Lookahead's pullback: the moment that is saved is the moment itself",
            link=f"{_LOOKAHEAD}/lookahead_pytorch.py",
            check="aliases its state",
        ),
        Fault(
            name="state.ignored",
            what="starts anew, whatever state it is given",
            seen="OpenNMT-py: the optimizer is made anew after its state was loaded",
            link="https://github.com/OpenNMT/OpenNMT-py/issues/617",
            check="loses its state",
            where="steps after the first",
        ),
        Fault(
            name="state.largest_v",
            what="divides by the root of the largest v that there was (AMSGrad)",
            seen="torch's Adam and AdamW, if they are told to",
            link="https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/adam.py",
            check="departs",
            where="runs in which v falls",
        ),
        Fault(
            name="state.bfloat16",
            what="keeps its moments in bfloat16, and shows them in the declared dtype",
            seen="torchdistx' AnyPrecisionAdamW, by default",
            link="https://github.com/pytorch/torchdistx/pull/52",
            check="departs",
        ),
        Fault(
            name="state.shared",
            what="keeps the moments of one run for the next",
            seen="a mutant",
            check="keeps state",
        ),
        Fault(
            name="cache.kept",
            what="takes what depends on the rate from a cache that only the step is the key of",
            seen="RAdam: a buffer of step sizes; Ranger, over9000 and jettify have copied it",
            link="https://github.com/LiyuanLucasLiu/RAdam/issues/24",
            check="keeps state",
            where="optimizers in turn, at steps of one number and different rates",
        ),
        Fault(
            name="cache.rate_shared",
            what="gives all layers the rate of the first",
            seen="RAdam, jettify and timm's older RAdam: the buffer belongs to all groups",
            link="https://github.com/jettify/pytorch-optimizer/issues/96",
            check="departs",
            where="layers with rates of their own",
        ),
        Fault(
            name="cache.betas_shared",
            what="gives all layers the corrections of the first one's betas",
            seen="RAdam: the buffer is shared by groups with other betas",
            link="https://github.com/LiyuanLucasLiu/RAdam/issues/36",
            check="departs",
            where="layers with betas of their own",
        ),
        # How it counts.
        Fault(
            name="count.of_layer",
            what="counts the steps of each layer: one without a gradient is not counted",
            seen="torch, the authors' RAdam, over9000: a dialect, the same until a layer is frozen",
            link=f"{_TORCH}/blob/v2.13.0/torch/optim/radam.py",
            check="departs",
            where="runs with frozen layers; `check` leaves these out, as it is a dialect",
        ),
        Fault(
            name="count.each_layer",
            what="counts a step for each layer that it updates",
            seen="DiffSharp's Adam",
            link="https://github.com/DiffSharp/DiffSharp/issues/292",
            check="departs",
            where="two layers or more, and corrections that still matter",
        ),
        Fault(
            name="count.bfloat16",
            what="counts in bfloat16, which stops at 256",
            seen="torchao: the counter has the default dtype",
            link="https://github.com/pytorch/ao/issues/4915",
            check="departs",
            where="steps after the 256th whose corrections still matter",
        ),
        Fault(
            name="count.float16",
            what="counts in float16, which stops at 2048",
            seen="DeepSpeed",
            link="https://github.com/deepspeedai/DeepSpeed/issues/8496",
            check="departs",
            where="steps after the 2048th whose corrections still matter",
        ),
        Fault(
            name="count.common",
            what="counts the steps of all that it has ever been asked",
            seen="Qiskit's ADAM: moments begin anew with each problem, the count does not",
            link="https://github.com/qiskit-community/qiskit-aqua/pull/1016",
            check="keeps state",
        ),
        # Saving and loading.
        Fault(
            name="reload.without_slow",
            what="saves the inner optimizer alone: slow weights and the phase are lost",
            seen="Lookahead's authors; pytorch_optimizer, TensorFlow Addons the other way round",
            link="https://github.com/kozistr/pytorch_optimizer/issues/306",
            check="forgets on reload",
            where="slow weights",
        ),
        Fault(
            name="reload.without_moments",
            what="saves nothing of the inner optimizer",
            seen="TensorFlow Addons' Lookahead; keras-lookahead",
            link="https://github.com/tensorflow/addons/issues/2094",
            check="forgets on reload",
        ),
        Fault(
            name="reload.without_count",
            what="begins to count anew",
            seen="timm's plateau: bad epochs and cooldown are not saved",
            link=(
                "https://github.com/huggingface/pytorch-image-models/blob/aa4b585/"
                "timm/scheduler/plateau_lr.py"
            ),
            check="forgets on reload",
        ),
        Fault(
            name="reload.raises",
            what="cannot be saved: what its base class sets up is not there",
            seen="over9000's, lonePatient's and jettify's Lookahead",
            link="https://github.com/mgrankin/over9000/issues/6",
            check="raises",
        ),
        # Rates.
        Fault(
            name="rate.of_construction",
            what="steps at the rate it was made with; decay follows the rate of the step",
            seen="RAdam's AdamW: what warms up is the decay",
            link="https://github.com/LiyuanLucasLiu/RAdam/pull/26",
            check="departs",
            where="rates that change",
        ),
        Fault(
            name="rate.kept",
            what="takes its rate when it is made, and never asks again",
            seen="a mutant: a schedule without effect",
            check="departs",
            where="rates that change",
        ),
        Fault(
            name="rate.decay_of_construction",
            what="decays at the rate it was made with; the step follows its own",
            seen="pytorch_optimizer's Ranger21",
            link="https://github.com/kozistr/pytorch_optimizer/issues/169",
            check="departs",
            where="rates that change, and decoupled decay",
        ),
        # Layers.
        Fault(
            name="layers.hyper_shared",
            what="asks itself for a hyperparameter, not the layer's group",
            seen="Ranger: alpha is that of the optimizer, k that of the group",
            link=f"{_RANGER}/blob/c82a304/ranger/ranger.py",
            check="departs",
            where="layers with hyperparameters of their own",
        ),
        Fault(
            name="hyper.betas_swapped",
            what="takes the decay rates out of their pair in the wrong order",
            seen="a mutant",
            check="departs",
        ),
        Fault(
            name="hyper.float32",
            what="keeps a hyperparameter in single precision, whatever it computes in",
            seen="Paddle's AdamW of doubles: its decay",
            link=(
                "https://github.com/PaddlePaddle/Paddle/blob/837ee4c/"
                "paddle/phi/kernels/cpu/adamw_kernel.cc"
            ),
            check="departs",
            where="numbers that single precision does not hold, in double precision",
        ),
        Fault(
            name="layers.vectors_not_adapted",
            what="has no trust ratio for layers of one axis, whatever it is told",
            seen="open_lars, and code that leaves biases and gains out",
            link="https://github.com/GrignardReagent/open_lars/blob/main/open_lars/lars.py",
            check="departs",
            where="layers of one axis or none",
        ),
        Fault(
            name="layers.vectors_not_decayed",
            what="has no decay for layers of one axis, whatever it is told",
            seen="pytorch_optimizer's LARS, after MAE's",
            link=(
                "https://github.com/kozistr/pytorch_optimizer/blob/7a076d2/pytorch_optimizer/"
                "optimizer/lars.py"
            ),
            check="departs",
            where="layers of one axis or none",
        ),
        Fault(
            name="layers.decay_of_last",
            what="decays the last layer alone",
            seen="Ranger21: decay stands behind the loop over the parameters",
            link="https://github.com/lessw2020/Ranger21/issues/53",
            check="departs",
            where="two layers or more, and decay",
        ),
        Fault(
            name="layers.update_of_previous",
            what="gives a layer the update of the one before, where the momentum is 0",
            seen="bitsandbytes' LARS: a name that one branch does not bind",
            link="https://github.com/bitsandbytes-foundation/bitsandbytes/issues/2079",
            check="departs",
            where="two layers or more of one size",
        ),
        Fault(
            name="layers.joined",
            what="takes the norms of all layers together for one trust ratio",
            seen="Keras-contrib's LARS; Keras's golden for LAMB does not see it",
            link=(
                "https://github.com/keras-team/keras-contrib/blob/3fc5ef7/keras_contrib/"
                "optimizers/lars.py"
            ),
            check="departs",
            where="trust ratios, and two layers or more",
        ),
        Fault(
            name="layers.left_out",
            what="does not show a layer that it was given",
            seen="a mutant",
            check="wrong layers",
        ),
        Fault(
            name="layers.empty_groups",
            what="needs a field that only the first group has",
            seen="Ranger: step_counter",
            link=f"{_RANGER}/issues/8",
            check="raises",
            where="layers with hyperparameters of their own",
        ),
        Fault(
            name="frozen.decays",
            what="takes no gradient for a gradient of 0: moments and decay go on",
            seen="Muon's AdamW; functional optimizers that are handed zeros",
            link="https://github.com/KellerJordan/Muon/issues/54",
            check="departs",
            where="frozen layers",
        ),
        Fault(
            name="frozen.synchronised",
            what="synchronises a layer that has had no gradient",
            seen="Lookahead by its authors, lonePatient, alphadl, jettify, fastai",
            link=f"{_LOOKAHEAD}/lookahead_pytorch.py",
            check="departs",
            where="frozen layers at a synchronisation",
        ),
        Fault(
            name="frozen.in_first_batch",
            what="counts the elements of a layer without a gradient in h",
            seen="a mutant: a gradient that is not there is handed on as zeros",
            check="departs",
            where="first batches with a frozen layer, whose elements change the choice",
        ),
        Fault(
            name="choice.never_late",
            what="takes no momentum steps where the choice is open after the first step",
            seen="a mutant: only the first step asks the gradient",
            check="departs",
            where="states after the first step that have yet to choose",
        ),
        # Lookahead.
        Fault(
            name="sync.moments_reset",
            what="begins its moments anew at each synchronisation",
            seen='Lookahead by its authors, pullback_momentum="reset": a dialect',
            link=f"{_LOOKAHEAD}/lookahead_pytorch.py",
            check="departs",
            where="synchronisations",
        ),
        Fault(
            name="sync.state_reset",
            what="begins the whole inner state anew at each synchronisation, the count too",
            seen="optax's lookahead, reset_state=True: a dialect",
            link="https://github.com/google-deepmind/optax/blob/v0.2.8/optax/_src/lookahead.py",
            check="departs",
            where="synchronisations",
        ),
        Fault(
            name="sync.inner_sees_slow",
            what="hands the slow weights to the inner optimizer, which decays by them",
            seen="optax: the inner optimizer was given the pair of both",
            link="https://github.com/google-deepmind/optax/issues/263",
            check="departs",
            where="slow weights, and decay",
        ),
        Fault(
            name="sync.shows_slow",
            what="shows the slow weights as its parameters",
            seen="what Ranger's users ask for: it is evaluated at its fast weights",
            link=f"{_RANGER}/issues/24",
            check="departs",
            where="runs and first steps between synchronisations; a state that is given it loses",
        ),
        # Answers that are none.
        Fault(
            name="answer.zeros",
            what="shows zeros, whatever it is asked",
            seen="a mutant: a kernel that writes nothing",
            check="departs",
        ),
        Fault(
            name="answer.identity",
            what="does nothing",
            seen="Lightning Bolts' LARS: add for add_",
            link="https://github.com/Lightning-Universe/lightning-bolts/issues/154",
            check="departs",
        ),
        Fault(
            name="answer.stale",
            what="shows what the step before has left",
            seen="a mutant",
            check="departs",
        ),
        Fault(
            name="answer.of_another",
            what="answers another question, and rightly",
            seen="a mutant",
            check="departs",
        ),
        Fault(
            name="answer.nan",
            what="shows a number that is none",
            seen="Holocron's Lamb at first: 0 times infinity where an update is 0",
            link="https://github.com/frgfm/Holocron/blob/c52d1c8/holocron/optim/lamb.py",
            check="not finite",
        ),
        Fault(
            name="answer.swallowed",
            what="catches what a kernel raises, and leaves the layer as it was",
            seen="a mutant: a harness that counts an error as success",
            check="departs",
            where="layers that the kernel fails on",
        ),
        Fault(
            name="answer.raises",
            what="raises an exception, exits, or skips the test it is asked in",
            seen="bitsandbytes' LARS: missing from the table of its kernels",
            link="https://github.com/bitsandbytes-foundation/bitsandbytes/issues/1810",
            check="raises",
        ),
        Fault(
            name="answer.hangs",
            what="does not come back",
            seen="a mutant",
            check="hangs",
        ),
        Fault(
            name="answer.noise",
            what="adds noise, other noise each time",
            seen="a mutant",
            check="keeps state",
        ),
        Fault(
            name="answer.rounded",
            what="shows numbers of eleven bits in arrays of the declared dtype",
            seen="a mutant: a kernel that computes in half precision",
            check="departs",
        ),
        Fault(
            name="answer.shape",
            what="shows arrays of another shape",
            seen="biases - grad, which broadcasts",
            link="https://github.com/jimfleming/differentiation/issues/1",
            check="wrong shape",
        ),
        Fault(
            name="answer.dtype",
            what="shows another dtype than the declared one",
            seen="JAX's adam, flax's, MLX's: a scalar of another dtype promotes the weights",
            link="https://github.com/jax-ml/jax/issues/4827",
            check="wrong dtype",
        ),
    )
}
