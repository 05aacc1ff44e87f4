"""The network: its layers, its initial weights, and a pass forwards and backwards through it."""

import numpy as np

from mnist.layers import Array, Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU, SoftmaxCrossEntropy

SHAPES = {
    "conv1.weight": (32, 1, 3, 3),
    "conv1.bias": (32,),
    "conv2.weight": (64, 32, 3, 3),
    "conv2.bias": (64,),
    "dense1.weight": (128, 1600),
    "dense1.bias": (128,),
    "dense2.weight": (10, 128),
    "dense2.bias": (10,),
}

Parameters = dict[str, Array]

# Of MNIST's pixels, from 0 to 1: normalised by them, the inputs have mean 0 and variance 1, and training is faster.
MEAN, DEVIATION = 0.1307, 0.3081


def initial_parameters(seed: int, dtype: type = np.float32) -> Parameters:
    """Weights uniform in +-sqrt(6 / (inputs + outputs)) and biases of 0 (Glorot and Bengio 2010, equation 16).

    "Inputs" counts the numbers that one output sums, "outputs" those sums that one input enters; so the variance of
    the activations, and that of the gradients, stays about the same from layer to layer.
    """
    rng = np.random.default_rng(seed)
    parameters: Parameters = {}
    for name, shape in SHAPES.items():
        kernel_area = int(np.prod(shape[2:]))
        limit = np.sqrt(6 / ((shape[0] + shape[1]) * kernel_area)) if name.endswith("weight") else 0
        parameters[name] = rng.uniform(-limit, limit, shape).astype(dtype)
    return parameters


class Network:
    """The layers, on one set of parameters, which several networks may share (see shards.py)."""

    def __init__(self, parameters: Parameters, dropout: bool = True) -> None:
        """parameters: arrays of SHAPES, of one floating-point type. `dropout=False` leaves both Dropouts out."""
        p = parameters
        self.dtype = p["conv1.weight"].dtype
        layers: dict[str, Layer] = {  # with the shape of its output for one picture
            "conv1": Conv2D(p["conv1.weight"], p["conv1.bias"], input_gradient=False),  # 32 x 26 x 26
            "pool1": MaxPool2D(),  # 32 x 13 x 13
            "relu1": ReLU(),  # after the pool, not before it: max(relu(x)) = relu(max(x)), on a quarter of the numbers
            "conv2": Conv2D(p["conv2.weight"], p["conv2.bias"]),  # 64 x 11 x 11
            "pool2": MaxPool2D(),  # 64 x 5 x 5
            "relu2": ReLU(),
            "dropout1": Dropout(0.25),
            "flatten": Flatten(),  # 1600
            "dense1": Dense(p["dense1.weight"], p["dense1.bias"]),  # 128
            "relu3": ReLU(),
            "dropout2": Dropout(0.5),
            "dense2": Dense(p["dense2.weight"], p["dense2.bias"]),  # 10
        }
        self.layers = {name: layer for name, layer in layers.items() if dropout or not isinstance(layer, Dropout)}
        self.loss = SoftmaxCrossEntropy()

    def normalised(self, images: Array) -> Array:
        """images: uint8 (N, 28, 28) -> (1, 28, 28, N), in the type of the parameters."""
        x = images.transpose(1, 2, 0)[np.newaxis].astype(self.dtype)
        x -= 255 * MEAN
        x /= 255 * DEVIATION
        return x

    def forward(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        """images: uint8 (N, 28, 28) -> logits (10, N). With `rng` as in training: it draws the dropout masks."""
        x = self.normalised(images)
        for layer in self.layers.values():
            x = layer.forward(x, rng)
        return x

    def backward(self, dlogits: Array) -> Parameters:
        """dlogits: (10, N), the gradient of the loss with respect to the last forward's logits -> those with respect
        to the parameters, under the same names."""
        gradient = dlogits
        for layer in reversed(self.layers.values()):
            gradient = layer.backward(gradient)
        return {
            f"{name}.{parameter}": value
            for name, layer in self.layers.items()
            for parameter, value in layer.gradients.items()
        }
