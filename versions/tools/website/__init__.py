"""The reader's site, made by Sphinx: every README as a page, with measurements and differences added."""
