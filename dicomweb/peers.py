"""From which address a request came. Source: RFC 7239 5.2; the usage of X-Forwarded-For."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def peer_address(request: HttpRequest) -> str:
    """The client's address; behind a trusted proxy, the one that the proxy saw.

    Only the last hop is ours to believe: what stands before it came from outside.
    """
    connected = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.ENVIRONMENT.trust_forwarded_headers:
        return connected
    _, _, hop = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")
    return _address(hop.strip()) or connected


def _address(hop: str) -> str:
    """Without the port that some proxies add; '' when there is no address."""
    bracketed, _, _ = hop.removeprefix("[").partition("]")
    before_port, _, _ = hop.partition(":")
    for text in (hop, bracketed, before_port):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            continue
    return ""
