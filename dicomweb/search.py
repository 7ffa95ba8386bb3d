"""The Search transaction (QIDO-RS). Source: PS3.18 10.6."""

from typing import ClassVar

import orjson
from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from dicomweb.links import Links
from dicomweb.negotiation import DICOM_JSON
from dicomweb.parameters import PageLimits, Resource, bind_search, parse_search
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.attributes import Level
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.use_cases.search_manifest import Found, Query, search

_PARAMETERS = [
    OpenApiParameter("limit", int, description="Results at most."),
    OpenApiParameter("offset", int, description="Results to skip."),
    OpenApiParameter("includefield", str, many=True, description="Keyword, tag, or `all`."),
    OpenApiParameter("fuzzymatching", bool, description="Match beginnings of name components."),
    OpenApiParameter("PatientName", str, description="`*` and `?` are wild cards."),
    OpenApiParameter("PatientID", str),
    OpenApiParameter("AccessionNumber", str),
    OpenApiParameter("StudyDate", str, description="YYYYMMDD, or a range with `-`."),
    OpenApiParameter("ModalitiesInStudy", str, description="One, or several by comma."),
    OpenApiParameter("StudyInstanceUID", str, description="One, or several by comma."),
]

MORE_RESULTS = "There are additional results that can be requested"
NOT_SUPPORTED = "The {} parameter is not supported. Only literal matching has been performed."


class SearchTransaction(StudiesTransaction):
    """GET of studies, series or instances."""

    searched: ClassVar[Level] = Level.STUDY

    @extend_schema(
        parameters=_PARAMETERS,
        responses={(200, "application/dicom+json"): OpenApiTypes.OBJECT},
        description="Search (QIDO-RS, PS3.18 10.6): data sets as DICOM JSON.",
    )
    def get(
        self,
        request: Request,
        space_slug: str = "",
        study_instance_uid: str = "",
        series_instance_uid: str = "",
    ) -> HttpResponse:
        """The page of matching entities; none is 200 with an empty list."""
        self.choose(DICOM_JSON)
        parameters = parse_search(request.META.get("QUERY_STRING", ""))
        query = bind_search(
            parameters,
            Resource(self.searched, study_instance_uid, series_instance_uid),
            scope=self.scope(space_slug),
            limits=PageLimits(
                results_max=settings.LIMITS.query_results_max,
                offset_max=settings.LIMITS.query_offset_max,
            ),
        )
        page = search(query)
        links = self.links
        body = orjson.dumps(
            [_described(found, query, links) for found in page.results],
            option=orjson.OPT_SORT_KEYS,
        )
        response = HttpResponse(body, content_type=DICOM_JSON.content_type)
        warnings = [NOT_SUPPORTED.format(name) for name in parameters.ignored]
        if page.has_more and query.limit:
            warnings.append(MORE_RESULTS)
        if warnings:
            response["Warning"] = ", ".join(f'299 {links.root} "{text}"' for text in warnings)
        return response


def _described(found: Found, query: Query, links: Links) -> JsonDataSet:
    """The result with what only this edge knows: where it is retrieved, how it is encoded."""
    # JSON is UTF-8 (PS3.18 F.2), whatever the character set of the stored object.
    found.data_set["00080005"] = element("CS", "ISO_IR 192")
    found.data_set["00080056"] = element("CS", "ONLINE")
    found.data_set["00081190"] = element("UR", _address(found, query.level, links))
    return found.data_set


def _address(found: Found, level: Level, links: Links) -> str:
    if level is Level.STUDY:
        return links.study(found.space_slug, found.study_instance_uid)
    if level is Level.SERIES:
        return links.series(found.space_slug, found.study_instance_uid, found.series_instance_uid)
    return links.instance(
        found.space_slug,
        found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        sop_instance_uid=found.sop_instance_uid,
    )
