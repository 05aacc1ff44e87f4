"""The tool that shows, compares and keeps together the versions of the ladder: `python -m ladder --help`."""
