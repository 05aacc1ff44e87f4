"""Writes C line by line: Python that calls it stands in the order of the C that it writes."""

from collections.abc import Iterator
from contextlib import contextmanager

WIDEST = 120  # characters


class Emitter:
    """The lines written so far; those of a block are indented."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.indent = ""

    def line(self, text: str = "") -> None:
        """One line, or an empty one."""
        self.lines.append((self.indent + text).rstrip())

    def comment(self, *lines: str) -> None:
        """A comment of one or more lines."""
        first, *others = lines
        for start, text in (("/*", first), *((" *", other) for other in others)):
            self.line(f"{start} {text}")
        self.lines[-1] += " */"

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A loop or a condition; what is written inside `with` stands between its braces."""
        self.line(f"{head} {{")
        with self.indented():
            yield
        self.line("}")

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Braces alone: names that are declared inside `with` end there."""
        self.line("{")
        with self.indented():
            yield
        self.line("}")

    @contextmanager
    def function(self, name: str, *arguments: str) -> Iterator[None]:
        """A function; its fourth and later arguments begin a second line if one would be too wide."""
        first, later = ", ".join(arguments[:3]), ", ".join(arguments[3:])
        head = f"{name}({first}, {later})" if later else f"{name}({first})"
        if len(head) > WIDEST:
            self.line(f"{name}({first},")
            head = f"{' ' * len(name)} {later})"
        self.line(head)
        with self.scope():
            yield

    @contextmanager
    def indented(self) -> Iterator[None]:
        """One level deeper, as the body of a loop without braces is."""
        outer, self.indent = self.indent, self.indent + "    "
        yield
        self.indent = outer

    def text(self) -> str:
        """All lines, each with its end."""
        return "".join(f"{line}\n" for line in self.lines)
