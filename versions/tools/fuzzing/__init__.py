"""Hostile inputs for everything that reads files or command lines, and for the border between Python and C."""
