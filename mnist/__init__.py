"""A digit classifier trained and run with layers, gradients and optimisers written out in NumPy."""
