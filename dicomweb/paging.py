"""Leads from one page of results to those beside it. Source: PS3.18 8.3.4.4, RFC 8288."""

from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from dicomweb.links import asked_resource


def add_links(
    response: HttpResponseBase,
    request: HttpRequest,
    *,
    offset: int,
    limit: int,
    returned: int,
    has_more: bool,
) -> None:
    """Tell where the next page is, if there is one that may be asked for, and the one before."""
    beside = {}
    after = offset + returned
    if has_more and after <= settings.LIMITS.query_offset_max:
        beside["next"] = after
    if offset and limit:
        beside["prev"] = max(offset - limit, 0)
    if beside:
        response.headers["Link"] = ", ".join(
            f'<{_address(request, place)}>; rel="{relation}"' for relation, place in beside.items()
        )


def _address(request: HttpRequest, offset: int) -> str:
    """The request itself, for another page."""
    pairs = parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name.lower() != "offset"]
    query = urlencode([*kept, ("offset", str(offset))])
    return f"{asked_resource(request)}?{query}"
