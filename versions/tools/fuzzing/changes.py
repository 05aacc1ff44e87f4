"""Changes that another program makes to files while they are read: which file, when and how, as JSON."""

import base64
import json

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from fuzzing import pictures
from fuzzing.weights import narrow

FILES = ["weights.safetensors"] * 4 + ["labels.txt", "preprocess.json", "quantisation.json"]
HOWS = ["cut", "grow", "overwrite", "replace", "remove"]


def change(draw: DrawFn, size: int, latest: int) -> dict[str, object]:
    """A change to a file of `size` bytes.

    `at`: the number of the call of a C function before which it happens, counted from 0, up to `latest`; `opened`:
    counted from the moment at which the file is opened, for a small file is read within ten calls of thousands; `how`:
    one of HOWS, at byte `place`, with the byte `byte`.
    """
    return {
        "opened": draw(st.booleans()),
        "at": draw(st.integers(0, 60) | st.integers(0, latest)),
        "how": draw(st.sampled_from(HOWS)),
        "place": draw(st.integers(0, 100) | st.integers(0, size)),
        "byte": draw(st.sampled_from([0, 32, 255])),
    }


@st.composite
def weights(draw: DrawFn) -> bytes:
    """A change to one of the weight folder's files. A version makes some 2,000 to 6,000 calls to load the folder."""
    made = {"file": draw(st.sampled_from(FILES))} | change(draw, len(narrow()), 6000)
    return json.dumps(made).encode()


@st.composite
def picture(draw: DrawFn) -> bytes:
    """A valid picture and a change to it. Reading one takes some 200 to 2,000 calls."""
    data = draw(st.sampled_from(pictures.seeds()))
    made = {"picture": base64.b64encode(data).decode()} | change(draw, len(data), 2000)
    return json.dumps(made).encode()
