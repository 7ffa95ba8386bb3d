"""What rendered resources and thumbnails share: validators, caching, warnings, parameters.

A rendition depends on bytes that never change and on what was asked of them, so its validator is
known before anything is read. Source: PS3.18 8.3.5, 10.4.3; RFC 9111 5.2.2; RFC 7234 5.5 (299).
"""

from collections.abc import Callable, Iterable
from hashlib import sha256

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter

from dicomweb.payloads import unless_unchanged
from dicomweb.retrieve import address_of
from dicomweb.transactions import StudiesTransaction
from ingestion.use_cases.retrieve_instances import HeldInstance

# Another number whenever the same bytes come out otherwise: browsers then ask anew.
RENDERING = 1

# An address may come to mean other bytes, by replacement or deletion, but not often.
FRESH_SECONDS = 600

VIEWPORT = OpenApiParameter(
    "viewport", str, description="`vw,vh` or `vw,vh,sx,sy,sw,sh` (PS3.18 8.3.5.1.3)."
)


class RenditionTransaction(StudiesTransaction):
    """A view whose answers are rendered."""

    def rendition(
        self,
        key: object,
        make: Callable[[], HttpResponseBase],
        *,
        location: str = "",
        warnings: Iterable[str] = (),
    ) -> HttpResponseBase:
        """What `make` makes, or 304 without making it. `key` is all that the answer depends on.

        What has no location of its own is many parts, with other boundaries in each answer.
        """
        http = self.request._request
        digest = sha256(repr((RENDERING, key)).encode()).hexdigest()
        etag = f'"{digest[:32]}"' if location else f'W/"{digest[:32]}"'
        response = unless_unchanged(http, HttpResponse(), etag)
        if response.status_code == 200:
            response = unless_unchanged(http, make(), etag)
        if location:
            response.headers["Content-Location"] = location
            response.headers["Cache-Control"] = f"private, max-age={FRESH_SECONDS}"
        texts = list(warnings)
        if texts:
            service = self.links.root
            response.headers["Warning"] = ", ".join(f'299 {service} "{text}"' for text in texts)
        return response

    def frame_address(self, instance: HeldInstance, number: int) -> str:
        """Where one frame is."""
        return f"{address_of(instance, self.links)}/frames/{number}"


def bytes_of(instance: HeldInstance) -> tuple[str, str]:
    """The part of a key that says which bytes are shown."""
    return bytes(instance.data_set_sha256).hex(), instance.transfer_syntax_uid
