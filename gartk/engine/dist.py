"""Devices, threads, seeds and process groups of a training run."""

from __future__ import annotations

import os
import random
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as torch_dist

from gartk.errors import ConfigError

Launcher = Literal["none", "pytorch"]


def set_threads(num_threads: int | None, device: torch.device) -> None:
    """Limit torch to ``num_threads``; else keep OMP_NUM_THREADS; else one thread on a CPU.

    Several processes of one thread each are faster than one process whose threads wait for busy cores.
    """
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    elif device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - plugins may use the global one
    torch.manual_seed(seed)


def init_distributed(launcher: Launcher, device: torch.device) -> None:
    """Start the process group that torchrun describes: gloo on CPUs, nccl on GPUs.

    MMEngine's own start calls ``torch.cuda.set_device`` on every machine, so it is done here first.
    Raises: ConfigError if the launcher is unknown, or torchrun's variables are missing.
    """
    if launcher == "none":
        return
    if launcher != "pytorch":
        raise ConfigError(f"--launcher must be 'none' or 'pytorch', got {launcher!r}.")
    missing = [
        v for v in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if v not in os.environ
    ]
    if missing:
        raise ConfigError(
            f"--launcher pytorch needs the variables that torchrun sets; missing: {', '.join(missing)}.\n"
            "  Run: torchrun --nproc-per-node N -m gartk train CONFIG --launcher pytorch"
        )
    if torch_dist.is_initialized():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch_dist.init_process_group("nccl", device_id=device)
    else:
        torch_dist.init_process_group("gloo")


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of processes; (0, 1) without a process group."""
    if torch_dist.is_available() and torch_dist.is_initialized():
        return torch_dist.get_rank(), torch_dist.get_world_size()
    return 0, 1


def mean_over_ranks(values: dict[str, float], device: torch.device) -> dict[str, float]:
    """Average named numbers over all ranks, in double precision."""
    _, world = rank_and_world()
    if world == 1:
        return values
    tensor = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
    torch_dist.all_reduce(tensor)
    return dict(zip(values, (tensor / world).tolist(), strict=True))


def gather_objects(value: Any) -> list[Any]:
    """Collect one object of every rank, in rank order, on every rank."""
    _, world = rank_and_world()
    if world == 1:
        return [value]
    gathered: list[Any] = [None] * world
    torch_dist.all_gather_object(gathered, value)
    return gathered


def shutdown() -> None:
    """End the process group, if there is one, after work that all ranks finished."""
    if rank_and_world()[1] > 1:
        torch_dist.destroy_process_group()


def barrier() -> None:
    """Wait for all ranks."""
    if rank_and_world()[1] > 1:
        torch_dist.barrier()
