"""This machine's processor and its features, under the names that a version's `requires` uses."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

import psutil

CPUINFO = Path("/proc/cpuinfo")
SYSTEM = Path("/sys/devices/system/cpu/cpu0")  # Linux's description of the first processor
GROUPS = Path("/sys/fs/cgroup")  # Linux's control groups: a container's limits
ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}
ALWAYS = {"aarch64": {"neon"}}  # what every processor of an architecture has; Linux calls NEON asimd there

# The instruction sets that a network like this one can use, as far as compilers name them today.
VECTORS = (
    *("sse4_2", "avx", "f16c", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16", "neon", "asimd", "asimdhp", "asimddp", "sve", "sve2", "i8mm", "bf16"),
)


@dataclass(frozen=True)
class Processor:
    """The properties of the processor that are recorded with every measurement.

    `cores`: the machine's cores, None if unknown; `threads`: hardware threads, two per core with hyper-threading.
    `vectors`: its instruction sets among VECTORS. `caches`: `L1d`, `L2`, ... -> bytes that one core sees; empty if
    unknown. `governor`: Linux's clock policy, such as `powersave`; None if there is none. `virtual`: it reports that it
    runs under a hypervisor, as only x86 can.
    """

    name: str
    cores: int | None
    threads: int
    vectors: tuple[str, ...]
    caches: dict[str, int]
    governor: str | None
    virtual: bool

    def sentences(self) -> list[str]:
        """Everything but the name, as sentences."""
        cores = f"{self.cores} cores and {self.threads} threads" if self.cores else f"{self.threads} threads"
        machine = ", of a virtual machine" if self.virtual else ""
        caches = ", ".join(f"{name} {binary(size)}" for name, size in self.caches.items()) or "unknown"
        governor = f"; clock governor {self.governor}" if self.governor else ""
        return [
            f"{cores}{machine}; caches {caches}{governor}.",
            f"Instruction sets: {', '.join(self.vectors) or 'none for vectors'}.",
        ]


def describe() -> Processor:
    """Describe this machine's processor."""
    file, flags = SYSTEM / "cpufreq" / "scaling_governor", features()
    return Processor(
        name=name(),
        cores=psutil.cpu_count(logical=False),
        threads=psutil.cpu_count() or 1,
        vectors=tuple(vector for vector in VECTORS if vector in flags),
        caches=linux_caches(SYSTEM / "cache") or other_caches(),
        governor=file.read_text().strip() if file.exists() else None,
        virtual="hypervisor" in flags,
    )


def linux_caches(folder: Path) -> dict[str, int]:
    """The data caches that Linux lists in `folder`, one per `index*`. py-cpuinfo would add up those of all cores."""
    found = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}{'d' if kind == 'Data' else ''}"] = int(size.removesuffix("K")) * 1024
    return found


def other_caches() -> dict[str, int]:
    """The data caches whose sizes py-cpuinfo gives as numbers."""
    from cpuinfo import get_cpu_info

    info = get_cpu_info()
    sizes = {name: info.get(f"{key}_cache_size") for name, key in (("L1d", "l1_data"), ("L2", "l2"), ("L3", "l3"))}
    return {name: size for name, size in sizes.items() if isinstance(size, int)}


def binary(size: int) -> str:
    """A number of bytes in KiB or MiB."""
    return f"{size / 2**20:g} MiB" if size >= 2**20 else f"{size / 2**10:g} KiB"


@cache
def features() -> frozenset[str]:
    """The architecture (`x86_64`, `aarch64`, ...) and the instruction sets (`avx2`, `fma`, ... as Linux names them)."""
    machine = platform.machine().lower()
    flags = linux_flags(CPUINFO.read_text()) if CPUINFO.exists() else other_flags()
    architecture = ARCHITECTURES.get(machine, machine)
    return flags | {architecture} | ALWAYS.get(architecture, set())


def name() -> str:
    """The processor's own name, such as `AMD EPYC 9R14`, or its architecture if it has none."""
    if CPUINFO.exists():
        return entry(CPUINFO.read_text(), "model name") or platform.machine()
    return platform.processor() or platform.machine()


def linux_flags(text: str) -> frozenset[str]:
    """The instruction sets of the first processor in a /proc/cpuinfo: `flags` on x86, `Features` on ARM."""
    return frozenset(entry(text, "flags", "Features").split())


def entry(text: str, *keys: str) -> str:
    """The value of the first of these keys in a /proc/cpuinfo; empty if it has none of them."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""


def other_flags() -> frozenset[str]:
    """The instruction sets according to py-cpuinfo, which knows other systems but takes a second."""
    from cpuinfo import get_cpu_info

    return frozenset(get_cpu_info().get("flags", ()))


def processors() -> int:
    """How many processors this process may use: those it may run on, or fewer if its control groups limit their time.

    The versions from 07 on use the same rule.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *map(ceil, shares())]))


def shares(groups: Path = GROUPS, process: Path = Path("/proc/self/cgroup")) -> list[float]:
    """The limits of the control groups around this process, each in processors; groups without a limit are left out.

    Version 2: `cpu.max` of the group and its parents; version 1: `cpu.cfs_quota_us`, -1 for no limit.
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
    """The number of processors that one control group may use, in a list that is empty if there is no limit."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return [int(quota) / int(period)] if int(quota) > 0 else []
    except (OSError, ValueError):  # missing, or "max"
        return []
