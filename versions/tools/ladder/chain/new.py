"""`new`: starts the next version as a copy of another."""

import re
from pathlib import Path

import tomlkit

from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.core.files import working_tree
from ladder.core.versions import Version, discover, find

READ = 'the 30 to 100 lines that hold the idea, such as "src/resnet50/tiles.py: spans"; `diff` shows them first'
README = """\
# {number}: {words}

**The idea:** {idea}.

## Measured

<!-- bench: begin -->
<!-- bench: end -->

## Why it is faster

## Where to look

## Try it

```
nox -s "test({name})"
nox -s bench -- --versions {previous} {number}
nox -s diff -- {previous} {number}
```

## What did not help

## What holds it back

## Exercises

## Read on
"""


def new(root: Path, name: str, idea: str, previous: str | None = None) -> int:
    """Create the folder of the next version; `name` may be given with or without its number.

    It is a copy of the version `previous`, by default of the last. Raises LadderError if the name is not valid for a
    version, if there is no such version to copy, or if the folder already exists.
    """
    versions = discover(root)
    model = find(versions, previous) if previous else versions[-1]
    number = f"{int(versions[-1].number) + 1:02}"
    bare = name.removeprefix(f"{number}_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", bare):
        raise LadderError(
            f"{name!r} can't be the next version's name: names consist of lower-case letters, digits and underscores, "
            f"and its number is {number}"
        )
    if not idea.strip():
        raise LadderError("a version needs an idea: --idea 'what is new, in a few words'")
    folder = root / "versions" / f"{number}_{bare}"
    if folder.exists():
        raise LadderError(f"{folder} already exists")
    for path, content in (working_tree(model.folder) | own_files(model, folder.name, idea.strip())).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    terminal.output().print(
        f"versions/{folder.name} is a copy of versions/{model.name}.\n"
        f"Each file that you change there goes into `changes` in its pyproject.toml; `nox -s lineage` checks it. What "
        f"holds the idea goes into `read`.",
        markup=False,
    )
    return 0


def own_files(model: Version, name: str, idea: str) -> dict[str, bytes]:
    """The README and the pyproject.toml of a copy of `model`; the latter keeps its layout and comments."""
    document = tomlkit.parse((model.folder / "pyproject.toml").read_text(encoding="utf-8"))
    project, ladder = document["project"], document["tool"]["ladder"]  # type: ignore[index]
    project["name"] = f"resnet50-{name.replace('_', '-')}"  # type: ignore[index]
    if "description" in project:  # type: ignore[operator]
        project["description"] = f"ResNet-50 by hand: {idea}"  # type: ignore[index]
    read = tomlkit.array().comment(READ)
    ladder.update({"previous": model.name, "idea": idea, "read": read, "changes": []})  # type: ignore[union-attr]
    number, words = name.split("_", 1)
    readme = README.format(name=name, number=number, words=words.replace("_", " "), idea=idea, previous=model.number)
    return {"README.md": readme.encode(), "pyproject.toml": tomlkit.dumps(document).encode()}
