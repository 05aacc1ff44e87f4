"""From gradients to better weights: SGD with momentum, RMSprop, Adam. The README says what each is for.

An optimiser changes the parameters in place. Its memory (`state`) is a dictionary of arrays, so that a checkpoint
can hold it: the keys are those of the parameters after the name of the quantity, as in "velocity/conv1.weight".
"""

import numpy as np

from mnist.network import Parameters


class Optimizer:
    """An optimiser with its memory, zero at the start; `steps` counts the updates."""

    quantities: tuple[str, ...]
    learning_rate: float

    def __init__(self, parameters: Parameters, learning_rate: float | None = None) -> None:
        """learning_rate: None for the optimiser's own."""
        self.parameters = parameters
        self.learning_rate = self.learning_rate if learning_rate is None else learning_rate
        self.steps = 0
        self.state = {f"{q}/{name}": np.zeros_like(p) for q in self.quantities for name, p in parameters.items()}

    def step(self, gradients: Parameters, pace: float = 1.0) -> None:
        """Change the parameters against the gradients, which have their names and shapes, at `pace` times the
        learning rate."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            memory = [self.state[f"{q}/{name}"] for q in self.quantities]
            parameter -= self.learning_rate * pace * self.direction(gradients[name], *memory)

    def direction(self, gradient: np.ndarray, *memory: np.ndarray) -> np.ndarray:
        """The direction of the step for this gradient. Updates the memory, an array of the same shape per quantity."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: velocity = 0.9 velocity + gradient (Sutskever et al. 2013, section 2,
    with the learning rate outside the velocity, as PyTorch has it)."""

    quantities = ("velocity",)
    learning_rate = 0.05
    momentum = 0.9

    def direction(self, gradient: np.ndarray, *memory: np.ndarray) -> np.ndarray:
        (velocity,) = memory
        velocity *= self.momentum
        velocity += gradient
        return velocity


class RMSprop(Optimizer):
    """The gradient over the root of its mean square: square = 0.9 square + 0.1 gradient^2 (Tieleman and Hinton 2012,
    Coursera lecture 6.5; epsilon is Keras's)."""

    quantities = ("square",)
    learning_rate = 0.003
    decay = 0.9
    epsilon = 1e-7

    def direction(self, gradient: np.ndarray, *memory: np.ndarray) -> np.ndarray:
        (square,) = memory
        square *= self.decay
        square += (1 - self.decay) * gradient**2
        return gradient / (np.sqrt(square) + self.epsilon)


class Adam(Optimizer):
    """Momentum and RMSprop together, each divided by 1 - beta^steps because it starts at 0 (Kingma and Ba 2015,
    algorithm 1)."""

    quantities = ("mean", "square")
    learning_rate = 0.003
    beta1 = 0.9
    beta2 = 0.999
    epsilon = 1e-8

    def direction(self, gradient: np.ndarray, *memory: np.ndarray) -> np.ndarray:
        mean, square = memory
        mean *= self.beta1
        mean += (1 - self.beta1) * gradient
        square *= self.beta2
        square += (1 - self.beta2) * gradient**2
        unbiased_mean = mean / (1 - self.beta1**self.steps)
        unbiased_square = square / (1 - self.beta2**self.steps)
        return unbiased_mean / (np.sqrt(unbiased_square) + self.epsilon)


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam}
