"""Files that another program changes while they are read: which one, when and how, as JSON."""

import base64
import json

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from fuzzing import pictures
from fuzzing.weights import narrow

FILES = ["weights.safetensors"] * 4 + ["labels.txt", "preprocess.json"]
HOWS = ["cut", "grow", "overwrite", "replace", "remove"]


def change(draw: DrawFn, size: int, latest: int) -> dict[str, object]:
    """A change of a file of `size` bytes.

    `at`: before which call of a function in C, up to `latest`, counted from 0; `how`: one of HOWS, at byte `place`,
    with the byte `byte`.
    """
    return {
        "at": draw(st.integers(0, 60) | st.integers(0, latest)),
        "how": draw(st.sampled_from(HOWS)),
        "place": draw(st.integers(0, 100) | st.integers(0, size)),
        "byte": draw(st.sampled_from([0, 32, 255])),
    }


@st.composite
def weights(draw: DrawFn) -> bytes:
    """A change of one of the weight folder's files. A version loads it in some 2,000 to 6,000 calls."""
    made = {"file": draw(st.sampled_from(FILES))} | change(draw, len(narrow()), 6000)
    return json.dumps(made).encode()


@st.composite
def picture(draw: DrawFn) -> bytes:
    """A valid picture, and its change. Reading one needs some 200 to 2,000 calls."""
    data = draw(st.sampled_from(pictures.seeds()))
    made = {"picture": base64.b64encode(data).decode()} | change(draw, len(data), 2000)
    return json.dumps(made).encode()
