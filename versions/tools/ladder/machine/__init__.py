"""What this machine can do: the peak of its processor and the speed of its memory, measured."""
