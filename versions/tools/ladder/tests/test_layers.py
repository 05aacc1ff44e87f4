"""The ladder's packages stand on one another in the order in which its README lists them."""

import ast
import re
from pathlib import Path

import ladder

HERE = Path(ladder.__file__).parent
PACKAGES = re.findall(r"^\| `(\w+)/` \|", (HERE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_package_is_listed():
    assert set(PACKAGES) == {file.parent.name for file in HERE.glob("*/__init__.py")} - {"tests"}


def test_no_package_imports_from_one_below_it():
    for place, package in enumerate(PACKAGES):
        for file in (HERE / package).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                if module.startswith("ladder."):
                    assert module.split(".")[1] in PACKAGES[: place + 1], f"{file}: {module}"
