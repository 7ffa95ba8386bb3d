"""Writes a content tree as a page or as plain text. Source: PS3.18 Table 8.7.4-1 (Text).

The page stands alone: no script, nothing fetched, every value escaped.
"""

from collections.abc import Iterable, Iterator
from html import escape

from ingestion.dicom.rendering.content_tree import ContentItem, ContentTree

HTML, PLAIN = "text/html", "text/plain"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.5rem}dl{display:grid;"
    "grid-template-columns:max-content 1fr;gap:0 1rem}dt{font-weight:600}dd{margin:0}"
    "ul{list-style:none;padding-left:1rem;border-left:2px solid #ddd}"
    "li{white-space:pre-wrap;overflow-wrap:anywhere}"
)


def html_page(tree: ContentTree) -> str:
    """A whole HTML document in UTF-8."""
    return "".join(_page(tree))


def plain_text(tree: ContentTree) -> str:
    """One line per item, indented by its depth."""
    lines = [tree.title, *(f"{name}: {value}" for name, value in tree.facts), ""]
    return "\n".join([*lines, *_lines(tree.children, depth=0), ""])


def _page(tree: ContentTree) -> Iterator[str]:
    title = escape(tree.title)
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><main><h1>{title}</h1>\n"
    yield "<dl>"
    for name, value in tree.facts:
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>\n"
    yield from _list(tree.children)
    yield "</main></body></html>\n"


def _list(children: tuple[ContentItem, ...]) -> Iterator[str]:
    if not children:
        return
    yield "<ul>"
    for item in children:
        name = f"<strong>{escape(item.name)}</strong>" if item.name else ""
        separator = ": " if name and item.value else ""
        yield f"<li>{name}{separator}{escape(item.value)}"
        yield from _list(item.children)
        yield "</li>\n"
    yield "</ul>"


def _lines(children: Iterable[ContentItem], *, depth: int) -> Iterator[str]:
    for item in children:
        said = ": ".join(part for part in (item.name, item.value) if part)
        yield "  " * depth + said.replace("\n", "\n" + "  " * (depth + 1))
        yield from _lines(item.children, depth=depth + 1)
