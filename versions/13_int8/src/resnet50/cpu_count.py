"""How many processors (logical CPUs) this process may use."""

import os
from math import ceil
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")  # where Linux shows control groups, a container's limits


def cpu_count() -> int:
    """How many processors the process may run on, or fewer if its control groups limit its processor time."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *map(ceil, shares())]))


def shares(groups: Path = GROUPS, process: Path = Path("/proc/self/cgroup")) -> list[float]:
    """The processor time that each control group around this process may use, in processors; none if it is unlimited.

    Version 2 of control groups has `cpu.max`, for the group and those around it; version 1 has `cpu.cfs_quota_us`,
    where -1 means no limit.
    """
    try:
        lines = process.read_text().splitlines()
    except OSError:
        return []
    found: list[float] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        version1 = "cpu" in controllers.split(",")
        if controllers and not version1:
            continue
        root = groups / "cpu" if version1 else groups
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            found += share(folder)
            if folder == root:
                break
    return found


def share(folder: Path) -> list[float]:
    """What one control group may use, in processors: a list of one number, or an empty one if it is unlimited."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return [int(quota) / int(period)] if int(quota) > 0 else []
    except (OSError, ValueError):  # not there, or "max"
        return []
