"""The foundation of all commands and of the other tools: versions, their environments and processes, the terminal."""
