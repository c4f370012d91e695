"""A run's loop under plain torchrun, without Ray: what `calcgen bench scale` compares with.

python -m torch.distributed.run --standalone --nproc-per-node 2 -m calcgen_ray.bench.alone CONFIG
CORPUS FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(config_path: str, corpus: str, folder: str) -> None:
    """Trains the configuration's run in `folder`, as a worker of Ray Train does."""
    import torch.distributed as dist

    from calcgen_ray import runtime, settings
    from calcgen_ray.train.loop import Loop

    config = settings.load(config_path)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size > 1:
        dist.init_process_group("gloo")
    runtime.set_threads(int(config.workers.cpus))
    Loop(config, Path(corpus), Path(folder)).run()
    if world_size > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
