"""The page of `classify --html`: each picture, what the network was given, its answers, and where it saw the first."""

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load

from ladder.core import weights
from ladder.core.html_page import document
from ladder.core.terminal import printable
from ladder.core.versions import Version
from ladder.outputs.features import displayed
from ladder.outputs.naming import Named, known
from ladder.outputs.viewer import Evidence, View
from shared_weights.tensor_file import appearing_whole

SHEET = Path(__file__).with_name("page.css")
FOR, AGAINST = (214, 40, 40), (38, 90, 214)  # red and blue
STRONGEST = 0.75  # how much of its colour the strongest place has: the picture still shows through


def write(file: Path, named: Iterable[Named], version: Version, folder: Path, labels: list[str]) -> None:
    """Write the page about these pictures, whose answers hold a view, into `file`, which appears when it is complete.

    Raises OSError if it cannot be written.
    """
    linear = LinearLayer(folder)
    cards = "".join(card(entry, entry.view, folder, linear) for entry in named if entry.view)
    about = f"Version {version.name} ({version.idea}). {known(folder, labels)}"
    if version.int8:
        about += " Its numbers are 8-bit integers, so the sums below hold only approximately."
    if folder.name == "synthetic":
        about += f" {weights.MEANINGLESS}"
    body = (
        f"<body>\n<header>\n<h1>What a network sees</h1>\n<p>{text(about)}</p>\n"
        '<p>Where it saw the first answer: <b class="for">red</b> speaks for it, <b class="against">blue</b> against '
        "it. The map is exact: its mean, plus a number that is the same for every picture, is the network's answer, "
        "before it is turned into a probability. Its places are 32 pixels apart, and each pixel has the colour of the "
        "nearest; but a place also sees much of what lies around it.</p>\n</header>\n"
        f"<main>\n{cards}</main>\n</body>"
    )
    with appearing_whole(file) as partial:
        partial.write_text(document("What a network sees", SHEET.read_text(encoding="utf-8"), body), encoding="utf-8")


class LinearLayer:
    """The last layer of a weight set, in float32."""

    def __init__(self, folder: Path) -> None:
        tensors = load((folder / "weights.safetensors").read_bytes())
        self.weight, self.bias = (tensors[f"fc.{name}"].astype(np.float32) for name in ("weight", "bias"))

    def evidence(self, view: View) -> Evidence:
        """Where the likeliest class was seen."""
        index = int(np.argmax(view.logits))
        return Evidence.of(view.features, self.weight[index], float(self.bias[index]))


def card(entry: Named, view: View, folder: Path, linear: LinearLayer) -> str:
    """One picture."""
    evidence, label = linear.evidence(view), entry.guesses[0][0]
    given = np.rint(255 * displayed(view.image, folder)).astype(np.uint8)
    height, width, _ = given.shape
    rows, columns = evidence.places.shape
    places = f"{rows} x {columns} places" if evidence.places.size > 1 else "a single place"
    figures = (
        figure(view.thumbnail, "JPEG", "the picture"),
        figure(given, "PNG", f"what the network was given: {width} x {height} pixels"),
        figure(heated(given, evidence), "PNG", f"where it saw “{label}”: {places}"),
    )
    verdict = {True: "right", False: "wrong"}.get(entry.verdict, "")  # type: ignore[arg-type]
    shows = " or ".join(sorted(entry.picture.right)) or entry.picture.shows
    judged = f' <b class="{verdict}">{verdict}</b>' if verdict else ""
    truth = f'<p class="truth">It shows: {text(shows)}.{judged}</p>\n' if shows else ""
    bars = "".join(bar(guess, probability) for guess, probability in entry.guesses)
    mean, bias = float(evidence.places.mean()), evidence.bias
    return (
        f'<article>\n<h2>{text(entry.picture.name)}</h2>\n{truth}<div class="figures">\n{"".join(figures)}</div>\n'
        f"<ol>\n{bars}</ol>\n"
        f'<p class="sum">{text(label)}: mean of the map {mean:.3f} {"+-"[bias < 0]} {abs(bias):.3f} = '
        f"{evidence.logit:.3f}; the network answered {view.logits.max():.3f}.</p>\n</article>\n"
    )


def heated(given: np.ndarray, evidence: Evidence) -> np.ndarray:
    """The network's input (H, W, 3) in grey, and over it each pixel's evidence: the stronger, the more colour."""
    height, width, _ = given.shape
    spread = evidence.spread(height, width)[:, :, np.newaxis]
    strongest = np.abs(evidence.places).max() or 1.0
    share = STRONGEST * np.abs(spread) / strongest
    grey = given.mean(axis=2, keepdims=True)
    return np.rint((1 - share) * grey + share * np.where(spread > 0, FOR, AGAINST)).astype(np.uint8)


def figure(pixels: np.ndarray, form: str, caption: str) -> str:
    """A picture, uint8 (h, w, 3), inside the page. A lossless one is shown pixel by pixel, however large."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    data = base64.b64encode(buffer.getvalue()).decode()
    kind = ' class="pixels"' if form == "PNG" else ""
    image = f'<img{kind} src="data:image/{form.lower()};base64,{data}" alt="{text(caption)}">'
    return f"<figure>{image}<figcaption>{text(caption)}</figcaption></figure>\n"


def bar(label: str, probability: float) -> str:
    """A label above a bar of its probability."""
    share = f"{100 * probability:.1f}"
    return f'<li><span>{text(label)}</span> <span>{share} %</span><i style="width: {share}%"></i></li>\n'


def text(words: str) -> str:
    """Words from outside as HTML."""
    return escape(printable(words))
