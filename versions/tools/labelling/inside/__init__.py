"""Programs that run in a version's environment, and so import nothing from the tools."""
