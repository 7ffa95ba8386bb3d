"""What every transaction of the Studies Service shares: who asks, for which spaces, and HEAD."""

from typing import Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from dicomweb.authentication import Principal
from dicomweb.capabilities import capabilities
from dicomweb.links import Links, links_of
from dicomweb.media_types import AcceptedRange
from dicomweb.negotiation import Choice, Representation, accepted_ranges, choose
from dicomweb.spaces import readable_scope
from ingestion.use_cases.retrieve_instances import Address
from ingestion.use_cases.search_manifest import Scope


class _NoNegotiation(BaseContentNegotiation):
    """REST framework's own negotiation knows nothing of multipart/related."""

    def select_renderer(
        self,
        _request: Request,
        renderers: Any,
        _format_suffix: str | None = None,
    ) -> tuple[Any, str]:
        return renderers[0], "application/json"


class StudiesTransaction(APIView):
    """A view of the Studies Service (PS3.18 10)."""

    renderer_classes = (JSONRenderer,)
    content_negotiation_class = _NoNegotiation

    @property
    def principal(self) -> Principal:
        """Who asks; permissions were checked before any handler runs."""
        principal = self.request.user
        assert isinstance(principal, Principal)
        return principal

    @property
    def links(self) -> Links:
        """Addresses for the answer."""
        return links_of(self.request._request)

    def scope(self, space_slug: str) -> Scope:
        """The spaces that the request may see. Raises `NotFound`."""
        return readable_scope(self.principal, space_slug)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Ask for a token, but not of whoever only wants to know what can be asked."""
        if request.method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def options(self, request: Any, *_: Any, **__: Any) -> Any:
        """Retrieve Capabilities (PS3.18 8.9)."""
        return capabilities(request._request, allowed=self.allowed_methods)

    @property
    def accepted(self) -> tuple[AcceptedRange, ...]:
        """What the client accepts; () when it does not say."""
        return accepted_ranges(
            self.request.META.get("HTTP_ACCEPT", ""), self.request.query_params.get("accept", "")
        )

    def address(self) -> Address:
        """What the path names, in the spaces that the request may see. Raises `NotFound`."""
        path = self.kwargs
        return Address(
            self.scope(path.get("space_slug", "")),
            path.get("study_instance_uid", ""),
            path.get("series_instance_uid", ""),
            path.get("sop_instance_uid", ""),
        )

    def choose(self, *offers: Representation) -> Choice:
        """The representation to answer with. Raises `NotAcceptable`."""
        parameters = self.request.query_params
        return choose(
            self.request.META.get("HTTP_ACCEPT", ""), parameters.get("accept", ""), offers
        )

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        """HEAD is GET without the body; patients' data is for no shared cache or other token."""
        answer: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]  # the stubs know only REST framework's own response
        if isinstance(answer, HttpResponse) and not answer.content:
            _drop_type_of_nothing(answer)
        if "Cache-Control" not in answer.headers:
            answer.headers["Cache-Control"] = "private, no-cache"
        patch_vary_headers(answer, ["Accept", "Authorization"])
        if request.method == "HEAD":
            _drop_body(answer)
        return answer


def _drop_type_of_nothing(response: HttpResponse) -> None:
    """Django calls an empty answer HTML; a type that a transaction gave it stays."""
    if response.headers.get("Content-Type", "").startswith("text/html"):
        del response.headers["Content-Type"]


def _drop_body(response: HttpResponseBase) -> None:
    """Keep the headers as GET has them. What was opened is closed with the response."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = ()
    elif isinstance(response, HttpResponse):
        response.headers["Content-Length"] = str(len(response.content))
        response.content = b""
