"""Pieces of C and of English from which the generated files are made."""


def plural(count: int, thing: str) -> str:
    """How many there are, for a reader: "1 sum", "2 sums"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def numbered(thing: str, first: int, end: int) -> str:
    """Those from `first` to before `end`, for a reader: "pixel 3", "pixels 0 to 2"."""
    return f"{thing} {first}" if end == first + 1 else f"{thing}s {first} to {end - 1}"


def offset(number: int) -> str:
    """C that adds a constant: " + 3" or " - 3", and nothing for 0."""
    return f" {'+' if number > 0 else '-'} {abs(number)}" if number else ""


def product(name: str, number: int) -> str:
    """C that multiplies by a constant: "name * 3", and "name" for 1."""
    return f"{name} * {number}" if number != 1 else name
