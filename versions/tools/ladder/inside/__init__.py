"""Programs that run in another environment's interpreter, and so import nothing of the ladder."""
