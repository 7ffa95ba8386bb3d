"""Workitems as bodies of requests and answers: one data set, as DICOM JSON or as XML.

Source: PS3.18 11.4.1.4 (one part), 8.7.3 (media types), F.2; PS3.19 A.1.
"""

from collections.abc import Callable, Iterable, Iterator

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from dicomweb.media_types import MediaType, parse_media_type
from dicomweb.multipart import MultipartReader
from dicomweb.negotiation import DICOM_JSON, DICOM_XML, DICOM_XMLS, Representation
from dicomweb.payloads import Part, multipart
from dicomweb.request_bodies import READ_BYTES, request_body
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.dicom.json_reading import parse_data_set, split_data_sets
from ingestion.dicom.value_checking import checked_data_set
from ingestion.dicom.xml_model import to_xml
from ingestion.dicom.xml_reading import from_xml
from ingestion.errors import (
    InvalidDocument,
    InvalidMultipart,
    LimitExceeded,
    UnsupportedMediaType,
)

MULTIPART = "multipart/related"
ONE = (DICOM_JSON, DICOM_XML, DICOM_XMLS)  # representations of one workitem
MANY = (DICOM_JSON, DICOM_XMLS)  # and of a list of them

_SPECIFIC_CHARACTER_SET = "00080005"


def read_workitem(request: HttpRequest) -> JsonDataSet:
    """The data set of the body.

    Raises `UnsupportedMediaType`, `InvalidRequest` for a body that holds no data set,
    `LimitExceeded` for one that is too large or nested too deep.
    """
    text = request.META.get("CONTENT_TYPE", "")
    media_type = parse_media_type(text)
    if media_type is None:
        raise _unsupported()
    body = _Bounded(request)
    if media_type.name == MULTIPART:
        media_type, content = _only_part(media_type, body)
    else:
        content = b"".join(iter(lambda: body.read(READ_BYTES), b""))
    read = _READERS.get(media_type.name)
    if read is None:
        raise _unsupported()
    return read(content)


def read_optional_workitem(request: HttpRequest) -> JsonDataSet:
    """As `read_workitem`; a request without a body has an empty data set."""
    has_body = request.META.get("CONTENT_LENGTH") not in (None, "", "0")
    is_chunked = bool(request.META.get("HTTP_TRANSFER_ENCODING"))
    return read_workitem(request) if has_body or is_chunked else {}


def workitem_response(step: JsonDataSet, representation: Representation) -> HttpResponseBase:
    """The answer that shows one workitem."""
    if representation is DICOM_XML:
        return HttpResponse(to_xml(_encoded(step)), content_type=DICOM_XML.content_type)
    return workitems_response([step], representation)


def workitems_response(
    steps: Iterable[JsonDataSet], representation: Representation
) -> HttpResponseBase:
    """The answer that lists workitems; no body where XML has no part to put into it."""
    found = [_encoded(step) for step in steps]
    if representation is DICOM_JSON:
        body = orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
        return HttpResponse(body, content_type=DICOM_JSON.content_type)
    if not found:
        return HttpResponse(status=204)
    parts = (Part(DICOM_XML.content_type, "", _lazily(step)) for step in found)
    return multipart(parts, part_type=DICOM_XML.content_type)


def _lazily(step: JsonDataSet) -> Callable[[], Iterator[bytes]]:
    return lambda: iter((to_xml(step),))


def _encoded(step: JsonDataSet) -> JsonDataSet:
    """JSON and XML are UTF-8 here, whatever the client that wrote the step said."""
    return step | {_SPECIFIC_CHARACTER_SET: element("CS", "ISO_IR 192")}


class _Bounded:
    """A body of at most the bytes of a workitem."""

    def __init__(self, request: HttpRequest) -> None:
        self._size_max = settings.LIMITS.workitem_bytes_max
        try:
            self._body = request_body(request, bytes_max=self._size_max)
        except LimitExceeded as error:
            raise self._too_large() from error

    def read(self, size: int, /) -> bytes:
        try:
            return self._body.read(size)
        except LimitExceeded as error:
            raise self._too_large() from error

    def _too_large(self) -> LimitExceeded:
        return LimitExceeded(f"the request is larger than workitem_bytes_max = {self._size_max}")


def _only_part(media_type: MediaType, body: _Bounded) -> tuple[MediaType, bytes]:
    """The type and content of the part of a multipart body, which must have one."""
    if "boundary" not in media_type.parameters:
        raise InvalidMultipart("Content-Type names no boundary")
    reader = MultipartReader(body, media_type.parameters["boundary"], parts_max=1)
    found = None
    for part in reader:
        text = part.headers.get("content-type") or media_type.parameters.get("type", "")
        found = parse_media_type(text), b"".join(bytes(chunk) for chunk in part.chunks)
    if found is None or found[0] is None:
        raise InvalidMultipart("the request has no part, or one without a media type")
    return found[0], found[1]


def _read_json(content: bytes) -> JsonDataSet:
    texts = list(split_data_sets(content))
    if len(texts) != 1:
        raise InvalidDocument("the body must hold one data set")
    depth_max = settings.LIMITS.sequence_depth_max
    return checked_data_set(parse_data_set(texts[0], depth_max=depth_max))


def _read_xml(content: bytes) -> JsonDataSet:
    return checked_data_set(from_xml(content, depth_max=settings.LIMITS.sequence_depth_max))


def _unsupported() -> UnsupportedMediaType:
    return UnsupportedMediaType(
        "the body must be application/dicom+json or application/dicom+xml, alone or as the only"
        " part of multipart/related"
    )


_READERS: dict[str, Callable[[bytes], JsonDataSet]] = {
    "application/dicom+json": _read_json,
    "application/json": _read_json,
    "application/dicom+xml": _read_xml,
    "application/xml": _read_xml,
    "text/xml": _read_xml,
}
