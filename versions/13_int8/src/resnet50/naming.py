"""From the network's output to names: the labels with the highest probabilities."""

import numpy as np

from . import PictureError, ResNet50


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(logits) / sum(exp(logits)); the largest logit is subtracted first so that nothing overflows."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    return exponentials / exponentials.sum()


def named(net: ResNet50, logits: np.ndarray, count: int, picture: str) -> list[dict]:
    """The `count` likeliest labels, likeliest first; equally likely ones in the order of the label file."""
    if not np.isfinite(logits).all():
        raise PictureError(f"{picture}: the network's output is not finite, so there is no label to name")
    probabilities = softmax(logits)
    order = np.argsort(-logits, kind="stable")[:count]
    return [{"label": net.labels[i], "index": int(i), "probability": float(probabilities[i])} for i in order]
