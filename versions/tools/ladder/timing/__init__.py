"""`bench`: how long the versions and their peers take, in alternating rounds of one run."""
