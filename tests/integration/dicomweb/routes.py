"""Every route that the web has, as it is written."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

ROOTS = ("dicomweb", "stow-rs", "wado-rs", "wado")


def routes(patterns: list[URLPattern | URLResolver], above: str = "") -> Iterator[str]:
    for entry in patterns:
        route = above + str(entry.pattern).lstrip("^").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, route)
        else:
            yield route


ALL = list(dict.fromkeys(routes(get_resolver().url_patterns)))
DICOMWEB = [route for route in ALL if route.split("/")[0] in ROOTS]
