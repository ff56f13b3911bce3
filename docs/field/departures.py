"""Departures of optimizers from their own documentation, each with a reproduction."""

from __future__ import annotations

from typing import Final

from field.row import Departure

DEPARTURES: Final = (
    Departure(
        name="torch_sgd_fused_bfloat16",
        package="torch",
        title="SGD, fused, on CPU: whole vectors of bfloat16 and float16 do not move",
        line="aten/src/ATen/native/cpu/FusedSGDKernel.cpp, the vectorised loop of narrow dtypes; "
             "mended in pull request 192545",
        says="fused is another implementation of the same steps, for bfloat16 too.",
        does="Elements in whole vectors, which are of 8, 16 or 32 by the machine, stay where they "
             "are; those left over move by lr g. With momentum, what is then in the buffer is "
             "other bits each time.",
        link="https://github.com/pytorch/pytorch/issues/191763",
    ),
    Departure(
        name="torch_sgd_foreach_nesterov",
        package="torch",
        title="SGD, foreach, Nesterov without decay: changes the gradients",
        line="torch/optim/sgd.py, _multi_tensor_sgd: torch._foreach_add_(device_grads, bufs, "
             "alpha=momentum)",
        says="foreach is another implementation of the same step; in its pseudo-code g stays what "
             "it is outside the step.",
        does="momentum times the buffer is added to p.grad itself, which a caller who accumulates, "
             "logs or clips gradients afterwards sees. The step is right.",
        link="https://github.com/pytorch/pytorch/issues/92706",
    ),
    Departure(
        name="optax_radam_float32_rho",
        package="optax",
        title="radam, float32, beta2 = 0.9999: rectifies at the second step",
        line="optax/_src/transform.py, scale_by_radam: b2t = b2**count_inc",
        says="It rectifies where rho, of the paper it cites, has reached the threshold of 5; rho "
             "is 2 at t = 2, and reaches 5 at t = 6.",
        does="rho is a difference of two numbers near 20,000 in float32, and comes out as 6.3 at "
             "t = 2: the steps that follow are a thousandth of what they should be.",
    ),
    Departure(
        name="timm_lookahead_late",
        package="timm",
        title="Lookahead: the first synchronisation does nothing",
        line="timm/optim/lookahead.py, update_slow: lookahead_slow_buff is made of the weights at "
             "the first synchronisation",
        says="It cites the paper, in which slow weights begin as the first weights.",
        does="Slow weights begin as the weights after k steps, so the first pull back to them is "
             "none: after 3 steps of 1 from 10, with k = 3 and alpha = 0.5, the weight is 13, not "
             "11.5.",
    ),
    Departure(
        name="jettify_lookahead_phase",
        package="torch_optimizer",
        title="Lookahead: synchronises after steps 1, k + 1, 2 k + 1",
        line="torch_optimizer/lookahead.py, step: if group['counter'] == 0, before it counts",
        says="It cites the paper: k steps forward, then one back. Its docstring has 5 as the "
             "default of alpha, which is 0.5.",
        does="Slow weights are those after the first step, and are pulled to after k + 1 steps.",
    ),
    Departure(
        name="jettify_lookahead_state_dict",
        package="torch_optimizer",
        title="Lookahead: cannot be saved with this torch",
        line="torch_optimizer/lookahead.py, __init__, which does not call that of Optimizer",
        says="state_dict returns the state of the optimizer.",
        does="state_dict raises: hooks that torch.optim.Optimizer makes are missing.",
        link="https://github.com/jettify/pytorch-optimizer/issues/349",
    ),
    Departure(
        name="jettify_sgdw_decay",
        package="torch_optimizer",
        title="SGDW: subtracts a constant",
        line="torch_optimizer/sgdw.py, step: p.data.add_(weight_decay, alpha=-group['lr'])",
        says="Decoupled weight decay: weights are multiplied by 1 - lr weight_decay.",
        does="lr weight_decay is subtracted from each weight, whatever it is; those that are 0 "
             "move, and negative ones grow.",
        link="https://github.com/jettify/pytorch-optimizer/issues/454",
    ),
    Departure(
        name="jettify_radam_groups",
        package="torch_optimizer",
        title="RAdam, and pytorch_ranger's Ranger by betas: groups are stepped at the first one's "
              "rate",
        line="torch_optimizer/radam.py, __init__: buffer in defaults is one list for all groups",
        says="A group of parameters has its own rate.",
        does="Step sizes, with the rate in them, are kept by step in a list that all groups share: "
             "a group with a rate of 0.000001 moves as the first, at 0.1, does.",
        link="https://github.com/LiyuanLucasLiu/RAdam/issues/24",
    ),
    Departure(
        name="jettify_lamb_debias",
        package="torch_optimizer",
        title="Lamb, debias=True: corrects outside of the trust ratio",
        line="torch_optimizer/lamb.py, step: step_size = group['lr'] * bias_correction",
        says="debias corrects Adam's step by 1 - beta^t; the ratio is of its norm, so that a step "
             "is lr times the norm of the weights.",
        does="The correction is a factor of the rate after the ratio, which is of the uncorrected "
             "step: the first step is 0.316 of what it is without, though a ratio of norms undoes "
             "any factor.",
        link="https://github.com/jettify/pytorch-optimizer/issues/443",
    ),
    Departure(
        name="jettify_lars_defaults",
        package="torch_optimizer",
        title="LARS: defaults are ten times those of its docstring",
        line="torch_optimizer/lars.py, __init__: lr = 1e-2, trust_coefficient = 0.01",
        says="lr is 1e-3 and trust_coefficient 0.001 by default.",
        does="They are 1e-2 and 0.01: together a step a hundred times as large.",
    ),
    Departure(
        name="kozistr_ranger_uphill",
        package="pytorch_optimizer",
        title="Ranger, by default: goes uphill until it rectifies",
        line="pytorch_optimizer/optimizer/ranger.py, step: p.add_(exp_avg, alpha=-step_size), "
             "without RAdam's test of step_size > 0",
        says="degenerated_to_sgd, off by default, is whether a step of SGD is taken before the "
             "moving average reaches the threshold; else none is.",
        does="A step size of -lr, which says that there is no step, is taken as one: for five "
             "steps weights go along the gradient, and the loss rises.",
        link="https://github.com/LiyuanLucasLiu/RAdam/issues/54",
    ),
    Departure(
        name="kozistr_radam_coupled_decay",
        package="pytorch_optimizer",
        title="RAdam, weight_decouple=False: does not decay",
        line="pytorch_optimizer/optimizer/radam.py, _step_per_param: apply_weight_decay(grad=None, "
             "...); _step_foreach: if group['weight_decouple'] and apply_update",
        says="Where weight_decouple is off, decay is added to the gradient.",
        does="It is added to nothing: weights with a gradient of 0 stay as they are.",
    ),
    Departure(
        name="kozistr_lamb_correction",
        package="pytorch_optimizer",
        title="Lamb: the first steps are divided by 1 - beta1^t",
        line="pytorch_optimizer/optimizer/lamb.py, step: apply_adam_debias, which divides unless "
             "the group has adam_debias",
        says="The default update has no bias correction, as in the third version of the paper.",
        does="The rate is divided by 1 - beta1^t outside of the trust ratio: the first step is ten "
             "times lr times the norm of the weights.",
    ),
    Departure(
        name="keras_bfloat16_beta2",
        package="keras",
        title="Adam, AdamW and Lamb with bfloat16 variables: nothing moves",
        line="keras/src/optimizers/adam.py, update_step: beta_2_power of beta_2 cast to the "
             "variable's dtype, in which 0.999 is 1",
        says="beta_2 is 0.999 by default, and weights move.",
        does="1 - beta_2^t is 0, and so is the rate that it is a factor of. Under the policy "
             "mixed_bfloat16 variables are float32, and all is well.",
    ),
    Departure(
        name="bnb_lamb_no_ratio",
        package="bitsandbytes",
        title="LAMB: a step of AdamW",
        line="bitsandbytes/backends/cpu/ops.py, _compute_update_norm_and_scale: 1 unless the "
             "update is longer than max_unorm times the weights",
        says="It calculates a trust ratio between the norms of weights and gradient, and clips "
             "it; max_unorm is the maximum norm of the gradient.",
        does="There is no trust ratio: a step is that of AdamW, cut where it is longer than the "
             "weights. The update whose norm is taken has neither decay nor corrections in it.",
    ),
    Departure(
        name="bnb_adam_decoupled",
        package="bitsandbytes",
        title="Adam is AdamW",
        line="bitsandbytes/optim/adam.py, __init__: the name of the kernel is that of AdamW; "
             "bitsandbytes/backends/cpu/ops.py: p_float.mul_(1.0 - lr * weight_decay)",
        says="AdamW is a variant of Adam that separates weight decay from the gradient update.",
        does="So does Adam: nothing is added to the gradient, and the two are one.",
    ),
    Departure(
        name="bnb_flags_ignored",
        package="bitsandbytes",
        title="SGD, Adam, LAMB: flags are taken and ignored",
        line="bitsandbytes/optim/sgd.py, adam.py and lamb.py, __init__: nesterov, amsgrad, "
             "bias_correction and adam_w_mode are not passed on; dampening is, and no kernel "
             "reads it",
        says="nesterov is whether to use Nesterov momentum, amsgrad whether to use AMSGrad, "
             "bias_correction whether to apply bias correction, adam_w_mode whether to use AdamW; "
             "dampening reduces the momentum.",
        does="None of them changes a step.",
        link="https://github.com/bitsandbytes-foundation/bitsandbytes/issues/2088",
    ),
    Departure(
        name="bnb_8bit_unclipped",
        package="bitsandbytes",
        title="LARS8bit and LAMB8bit, from 4096 elements on: nothing is clipped",
        line="bitsandbytes/backends/cpu/ops.py, _optimizer_update_8bit_blockwise_cpu: has no "
             "max_unorm",
        says="They are 8-bit LARS and LAMB; max_unorm is the maximum norm of the gradient.",
        does="With min_8bit_size elements or more they are SGD and AdamW.",
    ),
    Departure(
        name="bnb_pytorch_lars_momentum",
        package="bitsandbytes",
        title="PytorchLARS without momentum, its default: no step, or that of another parameter",
        line="bitsandbytes/optim/lars.py, PytorchLARS.step: update is bound only where momentum "
             "is not 0",
        says="momentum is 0 by default.",
        does="The first parameter raises; it would be stepped by the update of the one before if "
             "a group before it has momentum.",
        link="https://github.com/bitsandbytes-foundation/bitsandbytes/issues/2079",
    ),
    Departure(
        name="torchopt_float64_correction",
        package="torchopt",
        title="Adam and AdamW in float64: corrections are those of float32",
        line="torchopt/transform/scale_by_adam.py, _bias_correction: pow(decay, c) of a float and "
             "an int64 tensor, which is of the default dtype",
        says="It performs the bias correction of the paper it cites.",
        does="1 - beta^t has an error of float32: a step of float64 is right in 3 to 6 digits as "
             "long as the correction matters.",
    ),
    Departure(
        name="torchopt_sgd_reload",
        package="torchopt",
        title="SGD with momentum: forgets that it has begun",
        line="torchopt/transform/trace.py, update_fn: first_call belongs to the function, not to "
             "the state",
        says="load_state_dict loads the state of the optimizer; the functional sgd is a pair of "
             "functions of a state.",
        does="The first step of a new optimizer, whatever state it has, adds the gradient to the "
             "buffer as it is: momentum and dampening are left out once.",
    ),
    Departure(
        name="pylocron_lamb_uncorrected",
        package="pylocron",
        title="LAMB: moments are not corrected",
        line="holocron/optim/lamb.py, step: update.addcdiv_(exp_avg, denom)",
        says="Its formulas correct both moments before the update is made of them.",
        does="The update is of the moments as they are, so decay weighs otherwise; and the "
             "numerator is at most 10 unless scale_clip says otherwise.",
    ),
    Departure(
        name="pylocron_lars_history",
        package="pylocron",
        title="LARS: today's ratio scales all past gradients",
        line="holocron/optim/lars.py, step: p.data.add_(d_p, alpha=-group['lr'] * local_lr), with "
             "d_p the buffer",
        says="Its formulas have the rate and the ratio of a step inside of the buffer; scale_clip "
             "bounds the norm of the weights.",
        does="Both are outside of it. scale_clip is stored and never used; the rate does not "
             "decay, as alpha_t of its formulas does.",
    ),
    Departure(
        name="pylocron_lookahead_state_dict",
        package="pylocron",
        title="Lookahead and Scout: cannot be saved with this torch",
        line="holocron/optim/wrapper.py, __init__, which does not call that of Optimizer",
        says="state_dict returns the state of the optimizer, and that of the base optimizer.",
        does="state_dict raises: hooks that torch.optim.Optimizer makes are missing.",
    ),
)
