"""Checks whether the versions can be trusted: random networks against float64, long runs, and checkers for C."""
