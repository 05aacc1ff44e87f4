"""The layers of the network: what each computes, and the gradient of what it computes.

Every array keeps the picture index **last**: a feature map is (C, H, W, N), a vector is (features, N), so that one
picture is one column. Three things follow. Weights have the textbook's shape, and PyTorch's: y = W x + b. One matrix
product serves a whole batch, its result needing no transposition. And in each copy that im2col makes, W' * N numbers
lie side by side, where NumPy is fast. (cuda-convnet, the program that won ImageNet in 2012, used this layout.)

A layer's `forward` keeps what its `backward` needs. `backward` takes the gradient of the loss with respect to the
output, `dy`, stores those of the parameters in `gradients`, and returns the one with respect to the input, `dx`.
All arithmetic is done in the type of the parameters: float32 for training, float64 where gradients are checked.

Large results are written into arrays that a layer keeps (`buffer`): what it returned is valid until its next call. With
fresh arrays each time, over a third of the time went into page faults: the system hands out memory in zeroed pages of
4 KB, and takes it back when it is freed. The README derives each formula and says how much this gained.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

Array = np.ndarray


class Layer:
    """A layer without parameters; those that have some fill both dictionaries, under the same names."""

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}

    def buffer(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """The array kept under `name`, with its last values; a new one if the shape or the type has changed."""
        kept = self.buffers.get(name)
        if kept is None or kept.shape != shape or kept.dtype != dtype:
            kept = self.buffers[name] = np.empty(shape, dtype)
        return kept

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """The layer's output for the input `x`. Only Dropout uses `rng`, which is given in training alone."""
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """dL/dx, in the shape of the last `x`, from dL/dy, in the shape of the last output."""
        raise NotImplementedError


class Conv2D(Layer):
    """A convolution of stride 1 without padding, as one matrix product over im2col's columns.

    weight: (O, C, K, K); bias: (O,). `input_gradient=False` spares the first layer the gradient with respect to the
    pictures, which nobody needs; its `backward` then returns an empty array.
    """

    def __init__(self, weight: Array, bias: Array, input_gradient: bool = True) -> None:
        super().__init__()
        self.parameters = {"weight": weight, "bias": bias}
        self.input_gradient = input_gradient

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """x: (C, H, W, N) -> y: (O, H', W', N) with H' = H - K + 1, W' = W - K + 1."""
        weight, bias = self.parameters["weight"], self.parameters["bias"]
        channels, height, width, pictures = self.input_shape = x.shape
        outputs, _, size, _ = weight.shape
        pixels = (height - size + 1, width - size + 1, pictures)
        # windows[c, i, j, h, w, n] = x[c, h + i, w + j, n] is a view; the one copy here makes a matrix of it.
        windows = sliding_window_view(x, (size, size), axis=(1, 2)).transpose(0, 4, 5, 1, 2, 3)
        copy = self.buffer("windows", windows.shape, x.dtype)
        copy[...] = windows
        self.columns = copy.reshape(channels * size * size, -1)
        y = self.buffer("y", (outputs, *pixels), x.dtype)
        np.matmul(weight.reshape(outputs, -1), self.columns, out=y.reshape(outputs, -1))
        y += bias[:, None, None, None]
        return y

    def backward(self, dy: Array) -> Array:
        """dy: (O, H', W', N) -> dx: (C, H, W, N)."""
        weight = self.parameters["weight"]
        outputs, channels, size, _ = weight.shape
        _, rows, columns, pictures = dy.shape
        dy = dy.reshape(outputs, -1)
        # Transposed twice: OpenBLAS is a fifth faster when the longer of the two short sides (C K K > O) comes first.
        self.gradients["weight"] = (self.columns @ dy.T).T.reshape(weight.shape)
        self.gradients["bias"] = dy.sum(axis=1)
        if not self.input_gradient:
            return np.empty(0, dy.dtype)
        dwindows = self.buffer("dwindows", (channels, size, size, rows, columns, pictures), dy.dtype)
        np.matmul(weight.reshape(outputs, -1).T, dy, out=dwindows.reshape(channels * size * size, -1))
        dx = self.buffer("dx", self.input_shape, dy.dtype)
        dx.fill(0)
        for i in range(size):
            for j in range(size):
                dx[:, i : i + rows, j : j + columns] += dwindows[:, i, j]
        return dx


def quarters(x: Array) -> list[Array]:
    """The four views of x (C, H, W, N), each (C, H // 2, W // 2, N), that hold the pixels of all 2x2 windows: the
    upper left ones, the upper right, the lower left, the lower right. An odd last row or column is in none."""
    rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return [x[:, i:rows:2, j:columns:2] for i in (0, 1) for j in (0, 1)]


class MaxPool2D(Layer):
    """The largest of each 2x2 window, stride 2."""

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """x: (C, H, W, N) -> y: (C, H // 2, W // 2, N)."""
        self.x = x
        upper_left, upper_right, lower_left, lower_right = quarters(x)
        self.y = self.buffer("y", upper_left.shape, x.dtype)
        np.maximum(upper_left, upper_right, out=self.y)
        np.maximum(self.y, lower_left, out=self.y)
        np.maximum(self.y, lower_right, out=self.y)
        return self.y

    def backward(self, dy: Array) -> Array:
        """dy: (C, H // 2, W // 2, N) -> dx: (C, H, W, N).

        The gradient goes to the first pixel, row by row, that equals the maximum, as in PyTorch: what a pixel gets is
        subtracted from the rest, which is left for those after it (exact: g - g = 0 and g - 0 = g).
        """
        dx = self.buffer("dx", self.x.shape, dy.dtype)
        rest = self.buffer("rest", dy.shape, dy.dtype)
        rest[...] = dy
        *pixels, _ = quarters(self.x)
        *targets, last = quarters(dx)
        for pixel, target in zip(pixels, targets):
            np.multiply(rest, pixel == self.y, out=target)
            rest -= target
        last[...] = rest
        dx[:, 2 * dy.shape[1] :] = 0  # an odd last row or column is in no window
        dx[:, :, 2 * dy.shape[2] :] = 0
        return dx


class ReLU(Layer):
    """max(x, 0), element by element."""

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """x: any shape -> y: the same shape."""
        self.y = np.maximum(x, 0, out=self.buffer("y", x.shape, x.dtype))
        return self.y

    def backward(self, dy: Array) -> Array:
        """dy, dx: the shape of x. Where x is exactly 0, the gradient is taken as 0 (PyTorch's choice too)."""
        return np.multiply(dy, self.y > 0, out=self.buffer("dx", dy.shape, dy.dtype))


class Dropout(Layer):
    """In training: sets each number to 0 with probability `rate`, multiplies the others by 1 / (1 - rate).

    Otherwise the identity: thanks to this factor the expected value is the same.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """x: any shape -> y: the same shape."""
        if rng is None:
            return x
        self.mask = (rng.random(x.shape, dtype=np.float32) >= self.rate).astype(x.dtype)
        self.mask /= 1 - self.rate
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        """dy, dx: the shape of x. Follows a forward in training."""
        return dy * self.mask


class Flatten(Layer):
    """Each picture's feature maps as one column."""

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """x: (C, H, W, N) -> y: (C * H * W, N)."""
        self.shape = x.shape
        return x.reshape(-1, x.shape[-1])

    def backward(self, dy: Array) -> Array:
        """dy: (C * H * W, N) -> dx: (C, H, W, N)."""
        return dy.reshape(self.shape)


class Dense(Layer):
    """y = W x + b for every picture; weight: (O, I), bias: (O,)."""

    def __init__(self, weight: Array, bias: Array) -> None:
        super().__init__()
        self.parameters = {"weight": weight, "bias": bias}

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """x: (I, N) -> y: (O, N)."""
        self.x = x
        return self.parameters["weight"] @ x + self.parameters["bias"][:, None]

    def backward(self, dy: Array) -> Array:
        """dy: (O, N) -> dx: (I, N)."""
        self.gradients["weight"] = dy @ self.x.T
        self.gradients["bias"] = dy.sum(axis=1)
        return self.parameters["weight"].T @ dy


def softmax(logits: Array) -> Array:
    """logits: (classes, N) -> probabilities: (classes, N), each column summing to 1.

    The largest logit is subtracted first: this leaves the quotient unchanged, and exp never overflows.
    """
    exponentials = np.exp(logits - logits.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


class SoftmaxCrossEntropy:
    """The loss: -log of the probability that softmax gives to the right class."""

    def forward(self, logits: Array, labels: Array) -> Array:
        """logits: (classes, N), labels: (N,) integers -> losses: (N,).

        log(sum(exp(z))) - z[label], not log(softmax): a probability too small for a float would become log(0).
        """
        self.probabilities, self.labels = softmax(logits), labels
        shifted = logits - logits.max(axis=0)
        return np.log(np.exp(shifted).sum(axis=0)) - shifted[labels, np.arange(labels.size)]

    def backward(self) -> Array:
        """The gradient of the sum of the losses with respect to the logits: (classes, N)."""
        gradient = self.probabilities.copy()
        gradient[self.labels, np.arange(self.labels.size)] -= 1
        return gradient
