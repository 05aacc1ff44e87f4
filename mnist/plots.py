"""The figures: curves, confusion matrix, worst mistakes, filters, feature maps, and what was seen in a picture."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mnist.data import Digits
from mnist.evaluate import Evaluation
from mnist.files import write
from mnist.layers import Array
from mnist.network import Network, Parameters
from mnist.predict import Prediction
from mnist.run import Epoch

TRAINING, VALIDATION = "tab:blue", "tab:orange"
MISTAKES, COLUMNS = 20, 5


def save(figure: Figure, file: Path) -> None:
    """Write the figure as a PNG, sharp enough for print. Raises OutputError."""
    content = io.BytesIO()
    figure.savefig(content, dpi=130)
    write(file, content.getvalue())


def draw_curves(runs: dict[str, list[Epoch]], file: Path) -> None:
    """Loss and accuracy after each epoch; a row of two panels for each run, under its name, on the same scales."""
    figure = Figure(figsize=(9, 3.4 * len(runs)), layout="constrained")
    panels = figure.subplots(len(runs), 2, squeeze=False, sharex=True, sharey="col")
    for (name, epochs), (loss, accuracy) in zip(runs.items(), panels):
        numbers = range(1, len(epochs) + 1)
        for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
            training = [getattr(epoch, quantity) for epoch in epochs]
            validation = [getattr(epoch, f"validation_{quantity}") for epoch in epochs]
            axes.plot(numbers, training, "o-", markersize=4, color=TRAINING, label="training")
            axes.plot(numbers, validation, "s-", markersize=4, color=VALIDATION, label="validation")
            axes.set(title=f"{quantity}, {name}" if name else quantity, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.grid(alpha=0.3)
        loss.set_ylim(bottom=0)
        loss.legend()
        accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    save(figure, file)


def draw_confusion(evaluation: Evaluation, file: Path) -> None:
    """The confusion matrix: a count in each cell, the mistakes shaded by their share of the row."""
    counts = evaluation.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    figure = Figure(figsize=(6.5, 6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Reds", vmin=0, vmax=max(shares.max(), 0.01))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = shares[row, column] > 0.6 * shares.max() > 0
            weight = "bold" if row == column else "normal"
            axes.text(column, row, count, ha="center", va="center", weight=weight, color="white" if dark else "black")
    axes.set(xticks=range(10), yticks=range(10), xlabel="named", ylabel="true digit")
    axes.set_title(f"{evaluation.accuracy:.2%} of {counts.sum()} test digits are right")
    bar = figure.colorbar(image, shrink=0.8, label="share of the true digit's pictures, mistakes only")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    save(figure, file)


def draw_mistakes(evaluation: Evaluation, digits: Digits, file: Path) -> None:
    """The worst mistakes: the digits whose true label got the smallest probability."""
    worst = evaluation.mistakes[:MISTAKES]
    rows = max(1, math.ceil(len(worst) / COLUMNS))
    figure = Figure(figsize=(9, 2 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, COLUMNS).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, which in zip(panels, worst):
        label, probabilities = digits.labels[which], evaluation.probabilities[:, which]
        answer = probabilities.argmax()
        title = f"is {label} ({probabilities[label]:.0%})\nnamed {answer} ({probabilities[answer]:.0%})"
        show_digit(axes, digits.images[which])
        axes.set_title(title, size=10)
    figure.suptitle(f"the worst {len(worst)} of {len(evaluation.mistakes)} mistakes in {len(digits)} test digits")
    save(figure, file)


def draw_filters(parameters: Parameters, file: Path) -> None:
    """The 3x3 kernels of the first layer: red adds ink, blue subtracts it."""
    kernels = parameters["conv1.weight"][:, 0]
    limit = np.abs(kernels).max()
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    panels = figure.subplots(4, 8)
    for number, (axes, kernel) in enumerate(zip(panels.ravel(), kernels)):
        image = axes.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(number, size=9)
        axes.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=panels, shrink=0.8, label="weight")
    figure.suptitle("the 32 filters of conv1")
    save(figure, file)


def draw_feature_maps(parameters: Parameters, digit: Array, file: Path) -> None:
    """What the filters of the first layer answer to one digit, uint8 (28, 28), after pooling and ReLU."""
    network = Network(parameters)
    x = network.normalised(digit[np.newaxis])
    for name in ("conv1", "pool1", "relu1"):
        x = network.layers[name].forward(x)
    maps = x[..., 0]
    figure = Figure(figsize=(10.5, 5.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 3), squeeze=False)[0]
    axes = left.subplots()
    show_digit(axes, digit)
    axes.set_title("the digit")
    panels = right.subplots(4, 8)
    for number, (axes, feature_map) in enumerate(zip(panels.ravel(), maps)):
        image = axes.imshow(feature_map, cmap="magma", vmin=0, vmax=maps.max())
        axes.set_title(number, size=9)
        axes.set(xticks=[], yticks=[])
    right.colorbar(image, ax=panels, shrink=0.8, label="activation")
    figure.suptitle("the 32 feature maps of conv1, pooled and rectified")
    save(figure, file)


def draw_prediction(prediction: Prediction, file: Path) -> None:
    """A picture, what the network saw of it, the probability of each digit, and the doubt, if there is any."""
    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    original, prepared, bars = figure.subplots(1, 3)
    original.imshow(prediction.picture, cmap="gray", vmin=0, vmax=255)
    original.set_title("the picture")
    show_digit(prepared, prediction.seen)
    prepared.set_title("what the network saw")
    original.axis("off")
    probabilities = prediction.probabilities
    colours = [VALIDATION if digit == probabilities.argmax() else TRAINING for digit in range(10)]
    bars.bar(range(10), probabilities, color=colours)
    bars.set(xticks=range(10), ylim=(0, 1), title="probability of each digit")
    bars.yaxis.set_major_formatter(PercentFormatter(1))
    if prediction.doubt:
        figure.suptitle(f"in doubt: {prediction.doubt}")
    save(figure, file)


def show_digit(axes: Axes, digit: Array) -> None:
    """Show a digit as in MNIST, light on black."""
    axes.imshow(digit, cmap="gray", vmin=0, vmax=255)
    axes.axis("off")
