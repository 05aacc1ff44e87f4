"""Writes C line by line: Python code that uses it has the same order as the C that it writes."""

from collections.abc import Iterator
from contextlib import contextmanager

WIDEST = 120  # characters


class Emitter:
    """The lines written so far; those inside a block are indented."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.indent = ""

    def line(self, text: str = "") -> None:
        """Writes a line, by default an empty one."""
        self.lines.append((self.indent + text).rstrip())

    def comment(self, *lines: str) -> None:
        """Writes a comment of one or more lines."""
        first, *others = lines
        for start, text in (("/*", first), *((" *", other) for other in others)):
            self.line(f"{start} {text}")
        self.lines[-1] += " */"

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Writes a loop or a condition; what is written inside `with` goes between its braces."""
        self.line(f"{head} {{")
        with self.indented():
            yield
        self.line("}")

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Writes a pair of braces: names declared inside `with` are valid only there."""
        self.line("{")
        with self.indented():
            yield
        self.line("}")

    @contextmanager
    def function(self, name: str, *arguments: str) -> Iterator[None]:
        """Writes a function; its fourth and later arguments go to a second line if one line would be too wide."""
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
        """Indents by one level, as for the body of a loop without braces."""
        outer, self.indent = self.indent, self.indent + "    "
        yield
        self.indent = outer

    def text(self) -> str:
        """All lines as one string."""
        return "".join(f"{line}\n" for line in self.lines)
