"""Builds the versions for 64-bit ARM and tests them on emulated processors."""
