"""Global average pooling: one number for each channel."""

from .tensor import tensor


def average_pool(x):
    """(height, width, channels) -> (channels,), the mean over all pixels."""
    height, width, channels = x.shape
    totals = [0.0] * channels
    for row in x.tolist():
        for pixel in row:
            for channel, value in enumerate(pixel):
                totals[channel] += value
    return tensor([total / (height * width) for total in totals], channels)
