"""`supply`: each version installed as a user would, from its sdist and its wheel."""
