"""The reader's site: every README as a page, with what was measured and the differences beside it, made by Sphinx."""
