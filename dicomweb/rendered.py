"""Rendered resources: what instances show, in media types that browsers know.

Of a study, a series or several frames every picture is a part of one answer; where one picture is
asked for, it is a representative one. Source: PS3.18 10.4.1.1.3, 8.7.4, 8.3.5.1.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import ClassVar

import structlog
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import Described, binary, parts_of, ranged
from dicomweb.frame_list import parse_frame_list
from dicomweb.negotiation import Representation
from dicomweb.payloads import LEFT_OUT, Part, Payload, incomplete, multipart, single
from dicomweb.rendering_parameters import RenderingParameters, parse_rendering
from dicomweb.renditions import VIEWPORT, RenditionTransaction, bytes_of
from dicomweb.retrieve import address_of
from ingestion.dicom.rendering.document import HTML, PLAIN
from ingestion.dicom.rendering.encoding import GIF, JPEG, PNG
from ingestion.errors import NotAcceptable, NotFound, UnreadablePixelData
from ingestion.use_cases.render_documents import (
    MP4,
    MPEG,
    PDF,
    XML,
    Stream,
    encapsulated_document,
    film,
)
from ingestion.use_cases.render_instances import (
    Kind,
    RenderOptions,
    animation_frames,
    kind_of,
    render_animation,
    render_frame,
    render_report,
    representative,
    representative_frame,
)
from ingestion.use_cases.retrieve_instances import (
    Addressed,
    HeldInstance,
    find_instances,
    held_instance,
    held_instances,
)

ALONE = (Representation(JPEG), Representation(PNG), Representation(GIF))
PAGES = (Representation(HTML), Representation(PLAIN), Representation(XML))
PARTS, PAGE_PARTS = (
    tuple(Representation("multipart/related", part_type=item.content_type) for item in alone)
    for alone in (ALONE, PAGES)
)
ANIMATION = ALONE[2]
PAGE_PARTS = tuple(
    Representation("multipart/related", part_type=page.content_type) for page in PAGES
)

CUT = "only the first {} are shown"
UNAPPLIED = "the parameter {} has no effect here"

# Reports carry text of others: nothing in them may run, and nothing is fetched for them.
_PAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
_CHARSET = "; charset=utf-8"

_PARTIAL: Described = {
    (206, kind): OpenApiTypes.BINARY for kind in parts_of(JPEG, PNG, GIF, HTML, PLAIN, XML)
}
RENDERED = {
    **binary(*parts_of(JPEG, PNG, GIF, HTML, PLAIN, XML), JPEG, PNG, GIF, HTML, PLAIN),
    **_PARTIAL,
    **ranged(PDF, XML, MP4, MPEG),
}
_PARAMETERS = [
    VIEWPORT,
    OpenApiParameter("window", str, description="`center,width,function` (PS3.18 8.3.5.1.4)."),
    OpenApiParameter("quality", int, description="Of JPEG, 1 to 100 (PS3.18 8.3.5.1.2)."),
    OpenApiParameter("annotation", str, description="`patient`, `technique`: not drawn here."),
    OpenApiParameter("iccprofile", str, description="Other than `no`: not applied here."),
]

log = structlog.get_logger(__name__)


class RenderedTransaction(RenditionTransaction):
    """GET of a study, a series or an instance as it is to be seen."""

    @extend_schema(
        parameters=_PARAMETERS,
        responses=RENDERED,
        description="Rendered (PS3.18 10.4.1.1.3): pictures, or the page or document that it is.",
    )
    def get(
        self,
        request: Request,
        *,
        frame_list: str = "",
        **_path: str,
    ) -> HttpResponseBase:
        """An instance's frame, loop, page or document; of more the pictures of all."""
        asked = parse_rendering(request.query_params.dict())
        numbers = parse_frame_list(frame_list) if frame_list else ()
        address = self.address()
        if not address.sop_instance_uid:
            return self._of_many(find_instances(address), asked)
        instance = held_instance(address)
        if numbers:
            return self._of_listed(instance, asked, numbers)
        return self._by_kind[kind_of(instance)](self, instance, asked)

    def _of_frames(
        self,
        instance: HeldInstance,
        asked: RenderingParameters,
        *,
        numbers: Sequence[int],
        representation: Representation,
        number_alone: int,
    ) -> HttpResponseBase:
        """Some frames as parts or as a loop; `number_alone` is the one for a picture alone."""
        options = _options(asked, representation)
        if representation.part_type:
            pictures = ((instance, number) for number in numbers)
            return self._parts(pictures, asked, options=options, key=(bytes_of(instance), numbers))
        if representation is ANIMATION and len(numbers) > 1:
            return self._animation(instance, asked, options=options, numbers=numbers)
        return self.rendition(
            (bytes_of(instance), number_alone, options),
            lambda: HttpResponse(
                render_frame(instance, number_alone, options), content_type=options.media_type
            ),
            location=f"{self.frame_address(instance, number_alone)}/rendered",
            warnings=_unapplied(asked),
        )

    def _of_many(self, found: Sequence[Addressed], asked: RenderingParameters) -> HttpResponseBase:
        """The pictures; where there are none the reports; else the document or film, alone."""
        shown = representative(found)
        if kind_of(shown) is not Kind.IMAGE:
            reports = [held for held in held_instances(found) if kind_of(held) is Kind.REPORT]
            if reports:
                return self._of_reports(reports, asked)
            return self._by_kind[kind_of(shown)](self, shown, asked)
        representation = self.choose(*PARTS, *ALONE).representation
        if representation.part_type:
            return self._parts(
                _all_pictures(found),
                asked,
                options=_options(asked, representation),
                key=[item.document_id.hex for item in found],
            )
        return self._of_image(shown, asked, representation)

    def _of_image(
        self,
        instance: HeldInstance,
        asked: RenderingParameters,
        representation: Representation | None = None,
    ) -> HttpResponseBase:
        return self._of_frames(
            instance,
            asked,
            numbers=range(1, (instance.number_of_frames or 1) + 1),
            representation=representation or self.choose(*ALONE, *PARTS).representation,
            number_alone=representative_frame(instance),
        )

    def _of_listed(
        self, instance: HeldInstance, asked: RenderingParameters, numbers: Sequence[int]
    ) -> HttpResponseBase:
        """Frames in the order asked for."""
        count = instance.number_of_frames or 1
        if kind_of(instance) is not Kind.IMAGE or max(numbers) > count:
            raise NotFound("the instance has no such frame that can be rendered")
        offers = (*ALONE, *PARTS) if len(numbers) == 1 else (*PARTS, ANIMATION)
        return self._of_frames(
            instance,
            asked,
            numbers=numbers,
            representation=self.choose(*offers).representation,
            number_alone=numbers[0],
        )

    def _of_report(self, instance: HeldInstance, asked: RenderingParameters) -> HttpResponseBase:
        media_type = self.choose(*PAGES).representation.content_type

        def page() -> HttpResponse:
            body = render_report(instance, media_type)
            response = HttpResponse(body, content_type=media_type + _CHARSET)
            response.headers["Content-Security-Policy"] = _PAGE_POLICY
            return response

        return self.rendition(
            (bytes_of(instance), media_type),
            page,
            location=f"{address_of(instance, self.links)}/rendered",
            warnings=_unapplied(asked),
        )

    def _of_reports(
        self, reports: Sequence[HeldInstance], asked: RenderingParameters
    ) -> HttpResponseBase:
        """A part for each report, or one of them as a page."""
        representation = self.choose(*PAGE_PARTS, *PAGES).representation
        if not representation.part_type:
            return self._of_report(reports[len(reports) // 2], asked)
        media_type, limit = representation.part_type, settings.LIMITS.rendered_parts_max
        parts = (
            Part(
                media_type + _CHARSET,
                f"{address_of(report, self.links)}/rendered",
                lambda report=report: iter((render_report(report, media_type),)),  # type: ignore[misc]  # its type is report's
            )
            for report in reports[:limit]
        )
        cut = (CUT.format(limit),) if len(reports) > limit else ()
        return self._whole_or_partial(
            ([bytes_of(report) for report in reports], media_type),
            lambda: multipart(parts, part_type=media_type),
            cut,
            unapplied=_unapplied(asked),
        )

    def _of_document(self, instance: HeldInstance, _asked: RenderingParameters) -> HttpResponseBase:
        response = self._streamed(instance, encapsulated_document(instance))
        if "xml" in response.headers["Content-Type"]:
            response.headers["Content-Security-Policy"] = _PAGE_POLICY
        return response

    def _of_film(self, instance: HeldInstance, _asked: RenderingParameters) -> HttpResponseBase:
        return self._streamed(instance, film(instance))

    def _of_nothing(self, _instance: HeldInstance, _asked: RenderingParameters) -> HttpResponseBase:
        raise NotAcceptable("the instance has nothing that can be rendered")

    _by_kind: ClassVar[
        dict[
            Kind,
            Callable[["RenderedTransaction", HeldInstance, RenderingParameters], HttpResponseBase],
        ]
    ] = {
        Kind.IMAGE: _of_image,
        Kind.REPORT: _of_report,
        Kind.ENCAPSULATED: _of_document,
        Kind.VIDEO: _of_film,
        Kind.OTHER: _of_nothing,
    }

    def _streamed(self, instance: HeldInstance, stream: Stream) -> HttpResponseBase:
        """Bytes as they rest, any range of them."""
        self.choose(Representation(stream.content_type))
        payload = Payload(
            content_type=stream.content_type,
            content_location=f"{address_of(instance, self.links)}/rendered",
            size_bytes=stream.size_bytes,
            etag=f'"{bytes(instance.data_set_sha256).hex()}"',
            read=lambda offset, length: stream.read(offset=offset, length=length),
        )
        return single(self.request._request, payload)

    def _animation(
        self,
        instance: HeldInstance,
        asked: RenderingParameters,
        *,
        options: RenderOptions,
        numbers: Sequence[int],
    ) -> HttpResponseBase:
        shown = numbers[: animation_frames(instance)]
        cut = (CUT.format(len(shown)),) if len(shown) < len(numbers) else ()
        return self.rendition(
            (bytes_of(instance), tuple(shown), options),
            lambda: HttpResponse(render_animation(instance, shown, options), content_type=GIF),
            location=f"{address_of(instance, self.links)}/rendered",
            warnings=(*cut, *_unapplied(asked)),
        )

    def _parts(
        self,
        pictures: Iterator[tuple[HeldInstance, int]],
        asked: RenderingParameters,
        *,
        options: RenderOptions,
        key: object,
    ) -> HttpResponseBase:
        """Pictures in their order, one after the other; those that cannot be made are left out."""
        limit = settings.LIMITS.rendered_parts_max
        shown = list(islice(pictures, limit + 1))
        missing = [CUT.format(limit)] if len(shown) > limit else []
        parts = self._rendered(shown[:limit], options, missing)
        return self._whole_or_partial(
            (key, options, "parts"),
            lambda: multipart(parts, part_type=options.media_type),
            missing,
            unapplied=_unapplied(asked),
        )

    def _whole_or_partial(
        self,
        key: object,
        make: Callable[[], HttpResponseBase],
        missing: Sequence[str],
        *,
        unapplied: Sequence[str],
    ) -> HttpResponseBase:
        """Parts: 206 when by the time the first ones are made something is known to be missing."""
        response = self.rendition(key, make, warnings=unapplied)
        if response.status_code == 200 and missing:
            incomplete(response, *missing, *unapplied, service=self.links.root)
        return response

    def _rendered(
        self,
        pictures: Iterable[tuple[HeldInstance, int]],
        options: RenderOptions,
        missing: list[str],
    ) -> Iterator[Part]:
        count = 0
        for instance, number in pictures:
            try:
                body = render_frame(instance, number, options)
            except (UnreadablePixelData, NotFound) as error:
                log.warning("frame left out", code=error.code, detail=str(error), frame=number)
                missing.extend(text for text in (LEFT_OUT,) if text not in missing)
                continue
            count += 1
            yield _part(body, options, f"{self.frame_address(instance, number)}/rendered")
        if not count:
            raise NotAcceptable("there is no image here that can be rendered")


def _all_pictures(found: Sequence[Addressed]) -> Iterator[tuple[HeldInstance, int]]:
    """Every frame of every image."""
    for instance in held_instances(found):
        if kind_of(instance) is Kind.IMAGE:
            for number in range(1, (instance.number_of_frames or 1) + 1):
                yield instance, number


def _options(asked: RenderingParameters, representation: Representation) -> RenderOptions:
    return RenderOptions(
        media_type=representation.part_type or representation.content_type,
        viewport=asked.viewport,
        window=asked.window,
        quality=asked.quality,
    )


def _unapplied(asked: RenderingParameters) -> tuple[str, ...]:
    return tuple(UNAPPLIED.format(name) for name in asked.unapplied)


def _part(body: bytes, options: RenderOptions, location: str) -> Part:
    return Part(options.media_type, location, lambda: iter((body,)))
