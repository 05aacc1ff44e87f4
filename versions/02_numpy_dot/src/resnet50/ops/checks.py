"""Checks that the operators make before they start."""


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows of size `kernel` fit along `size`, padded at both ends; raises `ValueError` if none does."""
    if stride < 1 or padding < 0 or size + 2 * padding < kernel:
        raise ValueError(f"no window of {kernel}, stride {stride}, fits {size} padded by {padding}")
    return (size + 2 * padding - kernel) // stride + 1


def require(condition: bool, message: str) -> None:
    """Raises `ValueError` with `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)
