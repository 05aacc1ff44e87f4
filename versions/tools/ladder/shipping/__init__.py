"""`supply`: each version as others get it, from its sdist and its wheel."""
