"""This machine's measured limits: the peak of its processor and the bandwidth of its memory."""
