"""Programs that run in a version's environment or on the emulated machine, and so import nothing from the tools."""
