"""Memory that begins at a cache line."""

import numpy as np

CACHE_LINE = 64  # bytes; a load into a register that crosses two lines takes twice as long
LINE = CACHE_LINE // 4  # the same in float32 numbers


def aligned(count: int) -> np.ndarray:
    """`count` float32 numbers, not yet set, that begin at a cache line; NumPy's own begin 16 bytes after one."""
    memory = np.empty(count * 4 + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + count * 4].view(np.float32)
