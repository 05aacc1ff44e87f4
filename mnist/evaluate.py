"""How well a network does on given digits: loss, accuracy, confusion matrix, and its worst mistakes."""

from dataclasses import dataclass

import numpy as np

from mnist.data import Digits
from mnist.layers import Array, SoftmaxCrossEntropy, softmax
from mnist.shards import ShardedNetwork


@dataclass(frozen=True)
class Evaluation:
    """probabilities: (10, N); confusion: (10, 10) counts, a row for each true digit, a column for each answer;
    mistakes: the indices of the misclassified digits, the worst (with the largest loss) first."""

    loss: float
    accuracy: float
    probabilities: Array
    confusion: Array
    mistakes: Array


def evaluate(network: ShardedNetwork, digits: Digits) -> Evaluation:
    """The network's answers for all digits, without dropout."""
    logits = network.logits(digits.images)
    losses = SoftmaxCrossEntropy().forward(logits, digits.labels)
    answers = logits.argmax(axis=0)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (digits.labels, answers), 1)
    worst_first = np.argsort(-losses, kind="stable")
    mistakes = worst_first[(answers != digits.labels)[worst_first]]
    accuracy = float(np.trace(confusion) / len(digits))
    return Evaluation(float(losses.mean()), accuracy, softmax(logits), confusion, mistakes)
