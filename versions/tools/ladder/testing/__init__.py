"""`test` and `build`: each version's own tests, in an environment of its own."""
