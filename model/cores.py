"""What processor this is: how many cores this process may use, and what they can do."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_CPU_INFO = Path("/proc/cpuinfo")
# x86 without these sums pairs of products in 16 bits, which can overflow.
_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def available_cores(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Cores of the scheduler's affinity, less what the container's CPU quota withholds; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        if quota != "max":
            cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass
    return max(1, cores)


def has_eight_bit_dot_products(cpu_info: Path = _CPU_INFO) -> bool:
    """Whether the processor (x86, on Linux) sums products of eight bits in 32; False where that is not known."""
    try:
        lines = cpu_info.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _DOT_PRODUCTS.isdisjoint(flags.split())
