"""What is told of the processor beside a measurement."""

from pathlib import Path

import pytest

from ladder.core import processor
from ladder.core.processor import Processor

from .conftest import write


def index(folder: Path, number: int, level: str, kind: str, size: str) -> None:
    """A cache as Linux describes it."""
    for name, content in (("level", level), ("type", kind), ("size", size)):
        write(folder / f"index{number}" / name, f"{content}\n")


def test_linux_tells_the_data_caches_of_one_core(tmp_path: Path):
    assert processor.linux_caches(tmp_path) == {}
    for number, cache in enumerate([("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "1024K")]):
        index(tmp_path, number, *cache)
    assert processor.linux_caches(tmp_path) == {"L1d": 48 * 1024, "L2": 1024 * 1024}


def test_other_systems_are_asked_by_py_cpuinfo(monkeypatch):
    told = {"l1_data_cache_size": 65536, "l2_cache_size": "4 MB"}
    monkeypatch.setattr("cpuinfo.get_cpu_info", lambda: told)
    assert processor.other_caches() == {"L1d": 65536}


def test_this_processor_is_described(tmp_path: Path, monkeypatch):
    write(tmp_path / "cpufreq" / "scaling_governor", "powersave\n")
    index(tmp_path / "cache", 0, "1", "Data", "32K")
    monkeypatch.setattr(processor, "SYSTEM", tmp_path)
    monkeypatch.setattr(processor, "features", lambda: frozenset({"x86_64", "fma", "avx2", "fpu", "hypervisor"}))
    found = processor.describe()
    assert found.name and found.threads >= (found.cores or 1) >= 1
    assert (found.vectors, found.governor, found.virtual) == (("avx2", "fma"), "powersave", True)
    assert found.caches == {"L1d": 32768}


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (
            Processor("P", 2, 4, ("avx2", "fma"), {"L1d": 49152, "L2": 3 * 2**19, "L3": 2**25}, "powersave", True),
            "2 cores and 4 threads, of a virtual machine; caches L1d 48 KiB, L2 1.5 MiB, L3 32 MiB; clock governor "
            "powersave. Instruction sets: avx2, fma.",
        ),
        (
            Processor("P", None, 4, (), {}, None, False),
            "4 threads; caches unknown. Instruction sets: none for vectors.",
        ),
    ],
)
def test_only_what_the_system_tells_is_told(machine: Processor, text: str):
    assert " ".join(machine.sentences()) == text
