"""What every command and the other tools stand on: the versions, their environments and processes, the terminal."""
