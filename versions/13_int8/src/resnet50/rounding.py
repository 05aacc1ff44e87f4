"""Whole numbers, rounded up."""


def ceil_div(number: int, divisor: int) -> int:
    """`number / divisor`, rounded up: `//` rounds down, so of the negative number."""
    return -(-number // divisor)


def round_up(number: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `number`."""
    return ceil_div(number, multiple) * multiple
