"""The weights of this project, how they are made, and the structure of the network they belong to."""
