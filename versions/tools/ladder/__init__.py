"""The tool that shows, compares and maintains the versions of the ladder: `python -m ladder --help`."""
