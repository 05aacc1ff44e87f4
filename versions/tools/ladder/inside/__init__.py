"""Programs that run in another environment's interpreter, and so import nothing from the tools."""

from pathlib import Path


def program(name: str) -> str:
    """The path of one of these programs."""
    return str(Path(__file__).with_name(f"{name}.py"))
