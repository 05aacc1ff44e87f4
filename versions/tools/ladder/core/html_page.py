"""A page that needs no other file: what every page of the tools begins and ends with."""

from html import escape


def document(title: str, style: str, body: str) -> str:
    """The page. `style`: its CSS; `body`: the body element, from its opening to its closing tag.

    The browser's own parts, such as scroll bars, are light or dark as the reader's system is.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n{body}\n</html>\n"
    )
