"""Hostile inputs for everything that reads files or command lines, and for the boundary between Python and C."""
