"""`profile`: where the time goes in a version, layer by layer."""
