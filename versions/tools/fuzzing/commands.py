"""Command lines and environments, as JSON: correct ones with words left out, repeated, exchanged and added.

Files are named relative to the child's folder, where workplace.py puts them. Nothing is drawn that would legitimately
take long (`--repeat 1000000`) or write elsewhere (a path with a slash).
"""

import json

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fuzzing import parsers
from fuzzing.mutation import texts
from fuzzing.parsers import PARSERS

NUMBERS = ["1", "2", "0", "-1", "007", "1.5", "1e3", "0x10", "", " ", "٣", "²", "3" * 5000, "1_0", "+1", "nan", "None"]
SIZES = ["32", "0032", "31", "1025", "0", "-32", "٣٢", "9" * 5000, "32.0", "", "x", "32x32"]
THREADS = ["1", "2", "0", "-1", "1025", "9" * 30, "9" * 5000, "two", "²", "", " 2"]
PICTURES = ["picture.png", "half.jpg", "none.png", ".", "", "empty.png", "image.npy", "small.npy", "new\nline.png",
            "weights/labels.txt", "/dev/null", "x" * 300, "\udcff.png", "-", "--", "@picture.png"]  # fmt: skip
FOLDERS = ["weights", "weights/", "damaged", "none", "", ".", "picture.png", "\udcff", "x" * 300]
OUTPUTS = ["out.npy", "out", "", ".", "none/out.npy", "weights", "/dev/full", "/dev/null", "new\nline", "\udcff"]
OPTIONS = {
    "--weights": FOLDERS,
    "--top": NUMBERS,
    "--json": [],
    "--out": OUTPUTS,
    "--size": SIZES,
    "--repeat": NUMBERS,
    "--worker": [],
    "--threads": THREADS,
    "--help": [],
    "--wei": FOLDERS,
}
COMMANDS = {  # a version's commands -> arguments and required options; only some versions have `plan` and `codegen`
    "classify": (["picture.png"], []),
    "logits": (["picture.png"], ["--out"]),
    "bench": ([], ["--size", "--repeat"]),
    "plan": ([], ["--size"]),
    "codegen": ([], ["--size", "--out"]),
}


def words() -> SearchStrategy[str]:
    """Anything that can be an argument of a process and does not name a file elsewhere."""
    return texts().map(lambda text: text.replace("\0", "").replace("/", ""))


@st.composite
def option(draw: DrawFn, name: str) -> list[str]:
    """An option with its value, in one word or two; sometimes without a value."""
    values = OPTIONS[name]
    if not values or draw(st.integers(0, 19)) == 0:
        return [name]
    value = draw(st.sampled_from(values[:2]) | st.sampled_from(values) | words())
    return draw(st.sampled_from([[name, value], [f"{name}={value}"]]))


@st.composite
def version_commands(draw: DrawFn) -> bytes:
    """A command line of a version, its environment, and the input of a worker."""
    name = draw(st.sampled_from(list(COMMANDS)))
    files, needed = COMMANDS[name]
    parts = [[file] for file in files] + [draw(option(need)) for need in needed]
    for _ in range(draw(st.integers(0, 2))):
        parts.append(draw(option(draw(st.sampled_from(list(OPTIONS))))))
    for _ in range(draw(st.integers(0, 2))):
        parts.append([draw(st.sampled_from(PICTURES) | words())])
    if draw(st.integers(0, 3)) == 0 and parts:
        parts.pop(draw(st.integers(0, len(parts) - 1)))
    arguments = [name] + [word for part in draw(st.permutations(parts)) for word in part]
    if draw(st.integers(0, 9)) == 0:
        arguments = [draw(words()), *arguments[1:]]
    variables = {
        "RESNET50_WEIGHTS": draw(st.sampled_from(["weights", "weights", "weights", *FOLDERS])),
        "RESNET50_THREADS": draw(st.sampled_from(["", "", "2", *THREADS])),
        "RESNET50_ISA": draw(st.sampled_from(["", "", "", "avx2", "AVX2", "sse", "\udcff"])),
    }
    lines = draw(st.lists(st.sampled_from(["", *PICTURES]) | words(), max_size=3))
    return json.dumps({"arguments": arguments, "variables": variables, "input": "\n".join(lines)}).encode()


@st.composite
def tool_commands(draw: DrawFn) -> bytes:
    """A command line of one of the other tools, which is parsed but not run."""
    tool = draw(st.sampled_from(sorted(PARSERS)))
    known = st.sampled_from(parsers.words(tool))
    word = known | known | st.sampled_from(NUMBERS) | st.sampled_from(SIZES) | words()
    joined = st.tuples(known, word).map("=".join)
    return json.dumps({"tool": tool, "arguments": draw(st.lists(word | joined, max_size=6))}).encode()
