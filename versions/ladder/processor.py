"""What this machine's processor can do, in the names that a version's `requires` uses."""

import os
import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}


@cache
def features() -> frozenset[str]:
    """The architecture (`x86_64`, `aarch64`, ...) and the instruction sets (`avx2`, `fma`, ... as Linux names them)."""
    machine = platform.machine().lower()
    flags = linux_flags(CPUINFO.read_text()) if CPUINFO.exists() else other_flags()
    return flags | {ARCHITECTURES.get(machine, machine)}


def name() -> str:
    """What the processor calls itself, such as `AMD EPYC 9R14`; its architecture where it does not say."""
    if CPUINFO.exists():
        return entry(CPUINFO.read_text(), "model name") or platform.machine()
    return platform.processor() or platform.machine()


def processors() -> int:
    """How many processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def linux_flags(text: str) -> frozenset[str]:
    """The instruction sets of the first processor in a /proc/cpuinfo: `flags` on x86, `Features` on ARM."""
    return frozenset(entry(text, "flags", "Features").split())


def entry(text: str, *keys: str) -> str:
    """What stands behind the first of these keys in a /proc/cpuinfo; empty if none is there."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""


def other_flags() -> frozenset[str]:
    """The same from py-cpuinfo, which knows other systems but takes a second: hence only there."""
    from cpuinfo import get_cpu_info

    return frozenset(get_cpu_info().get("flags", ()))
