"""How workers share a model: DistributedDataParallel copies it, FSDP spreads its weights.

FSDP is torch's `fully_shard` (ZeRO-3, arXiv:1910.02054): each block's weights are gathered as it
runs and let go again; gradients and AdamW's moments are only ever held in parts. What the gathers
carry is bf16 where the run computes in bf16; weights and gradients' sums stay in float32.
"""

from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.futures import Future

from calcgen_ray.model.packed import PackedLM

Strategy = Literal["ddp", "fsdp"]


def distribute(
    lm: PackedLM, strategy: Strategy, world_size: int, device: str, bf16: bool
) -> nn.Module:
    """The module that each worker calls; its gradients are sums over the workers.

    Under FSDP `lm` itself is changed: its parameters become DTensors, so the optimizer is made
    after this. A single worker keeps the model as it is.
    """
    if strategy == "fsdp" and world_size > 1:
        return _sharded(lm, world_size, device.split(":")[0], bf16)
    lm.to(device)
    if world_size == 1:
        return lm
    # No parameter is unused. But else DDP deals its buckets anew after a run's first step, and of
    # three or more workers it hangs on a gradient's place there in what order it is summed.
    module = nn.parallel.DistributedDataParallel(
        lm, broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
    )
    module.register_comm_hook(None, _summed)
    return module


# torch reads a hook's annotations, so that this file's may not be strings.
def _summed(group: dist.ProcessGroup | None, bucket: dist.GradBucket) -> Future[Tensor]:
    """Of all workers. DDP itself takes means, times 1/n before a gradient lies in its bucket and
    over n after that, so that a run that goes on would differ in its last bits."""
    work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    summed: Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return summed


def clear_gradients(module: nn.Module) -> None:
    """To zero where they lie in DDP's buckets: let go, passes that are not exchanged would hold
    them a second time. Else they are let go."""
    in_buckets = isinstance(module, nn.parallel.DistributedDataParallel)
    module.zero_grad(set_to_none=not in_buckets)


def _sharded(lm: PackedLM, world_size: int, device: str, bf16: bool) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import (
        FSDPModule,
        MixedPrecisionPolicy,
        fully_shard,
        register_fsdp_forward_method,
    )

    mesh = init_device_mesh(device, (world_size,))
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None, reduce_dtype=torch.float32
    )
    for block in lm.blocks():
        fully_shard(block, mesh=mesh, mp_policy=policy)
        if hasattr(block, "packed"):  # called in place of forward, whose hooks gather the weights
            register_fsdp_forward_method(block, "packed")
    fully_shard(lm, mesh=mesh, mp_policy=policy)
    for part in lm.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    return lm


def whole(tensor: Tensor) -> Tensor:
    """A tensor with all its parts; a collective call where it is spread."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """This worker's part of a tensor: its rows, in the order of the workers."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def spread_as(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor that every worker holds, spread as `like` is; without talking to others."""
    tensor = tensor.to(like.device)
    if not isinstance(like, DTensor):
        return tensor
    spread: Tensor = distribute_tensor(
        tensor, like.device_mesh, like.placements, src_data_rank=None
    )
    return spread
