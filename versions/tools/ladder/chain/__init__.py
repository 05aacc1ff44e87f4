"""Neighbours in the ladder: how they differ, and how they are kept consistent."""
