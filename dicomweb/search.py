"""The Search transaction (QIDO-RS). Source: PS3.18 10.6, 8.3.4.4 (paging); RFC 8288 (links)."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import orjson
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from dicomweb.compression import compressed
from dicomweb.described_answers import DATA_SETS, XML_DATA_SETS
from dicomweb.links import Links
from dicomweb.negotiation import DICOM_JSON, DICOM_XMLS, Representation
from dicomweb.paging import add_links
from dicomweb.parameters import (
    PageLimits,
    Resource,
    SearchParameters,
    bind_search,
    parse_search,
)
from dicomweb.payloads import Part, multipart
from dicomweb.private_elements import CREATOR, CREATOR_TAG, HOLDING_SPACES
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.attributes import Level
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.dicom.private_blocks import PrivateBlocks
from ingestion.dicom.xml_model import to_xml
from ingestion.errors import InvalidDocument
from ingestion.use_cases.search_manifest import search
from ingestion.use_cases.search_query import Found, HeaderLimits, Page, Query

_PARAMETERS = [
    OpenApiParameter("limit", int, description="Results at most."),
    OpenApiParameter("offset", int, description="Results to skip."),
    OpenApiParameter(
        "includefield", str, many=True, description="Keyword, tag, path of them, or `all`."
    ),
    OpenApiParameter("fuzzymatching", bool, description="Match beginnings of name components."),
    OpenApiParameter("emptyvaluematching", bool, description='`""` matches what has no value.'),
    OpenApiParameter("multiplevaluematching", bool, description="All values of a list must match."),
    OpenApiParameter(
        "eachspace", bool, description="Tell what several storage spaces hold once for each."
    ),
    OpenApiParameter("PatientName", str, description="`*` and `?` are wild cards."),
    OpenApiParameter("PatientID", str),
    OpenApiParameter("AccessionNumber", str),
    OpenApiParameter("StudyDate", str, description="YYYYMMDD, or a range with `-`."),
    OpenApiParameter("ModalitiesInStudy", str, description="One, or several by comma."),
    OpenApiParameter("StudyInstanceUID", str, description="One, or several by comma."),
]

MORE_RESULTS = "There are additional results that can be requested"
COUNTED_RESULTS = "There are {} additional results that can be requested"
NOT_MATCHED = "{} is never matched; the results were not limited by it"
IGNORED = "The parameter {} is not supported and was ignored"
CUT = "The search ended before all stored headers were read; name more attributes to find the rest"

_MODALITIES_IN_STUDY = "00080061"


class SearchTransaction(StudiesTransaction):
    """GET of studies, series or instances."""

    searched: ClassVar[Level] = Level.STUDY

    @extend_schema(
        parameters=_PARAMETERS,
        responses={
            (200, "application/dicom+json"): DATA_SETS,
            **XML_DATA_SETS,
            204: None,
        },
        description="Search (QIDO-RS, PS3.18 10.6): data sets as DICOM JSON or XML.",
    )
    def get(
        self,
        request: Request,
        space_slug: str = "",
        study_instance_uid: str = "",
        series_instance_uid: str = "",
    ) -> HttpResponseBase:
        """The page of matching entities; none is 200 with an empty list, or 204 in XML."""
        choice = self.choose(DICOM_JSON, DICOM_XMLS)
        parameters = parse_search(request.META.get("QUERY_STRING", ""))
        limits = settings.LIMITS
        query = bind_search(
            parameters,
            Resource(self.searched, study_instance_uid, series_instance_uid),
            scope=self.scope(space_slug),
            limits=PageLimits(limits.query_results_max, limits.query_offset_max),
            header_limits=HeaderLimits(
                limits.query_documents_max,
                seconds_max=settings.ENVIRONMENT.database_statement_seconds_max,
            ),
        )
        page = search(query)
        describe = partial(
            _described, level=query.level, links=self.links, says_spaces=not space_slug
        )
        response = _answer([describe(found) for found in page.results], choice.representation)
        self._add_paging(response, query, page)
        self._add_warnings(response, parameters, query, page)
        return compressed(request._request, response)

    def _add_paging(self, response: HttpResponseBase, query: Query, page: Page) -> None:
        """How many match in all where that is known, and where the pages beside this one are."""
        if page.total is not None:
            response.headers["X-Total-Count"] = str(page.total)
        add_links(
            response,
            self.request._request,
            offset=query.offset,
            limit=query.limit,
            returned=len(page.results),
            has_more=page.has_more,
        )

    def _add_warnings(
        self,
        response: HttpResponseBase,
        parameters: SearchParameters,
        query: Query,
        page: Page,
    ) -> None:
        texts = [NOT_MATCHED.format(name) for name in parameters.unmatched]
        texts += [IGNORED.format(name) for name in parameters.ignored]
        if page.was_cut:
            texts.append(CUT)
        elif page.has_more and page.total is None:
            texts.append(MORE_RESULTS)
        elif page.has_more and page.total is not None:
            texts.append(COUNTED_RESULTS.format(page.total - query.offset - len(page.results)))
        if texts:
            service = self.links.root
            response.headers["Warning"] = ", ".join(f'299 {service} "{text}"' for text in texts)


def _answer(results: list[JsonDataSet], representation: Representation) -> HttpResponseBase:
    if representation is DICOM_JSON:
        body = orjson.dumps(results, option=orjson.OPT_SORT_KEYS)
        return HttpResponse(body, content_type=DICOM_JSON.content_type)
    if not results:
        return HttpResponse(status=204)
    return multipart(map(_xml_part, results), part_type=DICOM_XMLS.part_type)


def _xml_part(result: JsonDataSet) -> Part:
    def read() -> Iterator[bytes]:
        yield to_xml(result)

    return Part(DICOM_XMLS.part_type, "", read)


def _described(found: Found, *, level: Level, links: Links, says_spaces: bool) -> JsonDataSet:
    """The result with what only this edge knows: where it is retrieved, how it is encoded."""
    data_set = found.data_set
    # JSON and XML are UTF-8 (PS3.18 F.2), whatever the character set of the stored object.
    data_set["00080005"] = element("CS", "ISO_IR 192")
    data_set["00080056"] = element("CS", "ONLINE")
    data_set["00081190"] = element("UR", _address(found, level, links))
    # Departs from PS3.18 10.6.3.3.1, which has it empty: OHIF 3.13 loses its whole list over that.
    if "Value" not in data_set.get(_MODALITIES_IN_STUDY, {"Value": ()}):
        del data_set[_MODALITIES_IN_STUDY]
    if says_spaces:
        _add_spaces(data_set, found.space_slugs)
    return data_set


def _add_spaces(data_set: JsonDataSet, slugs: tuple[str, ...]) -> None:
    """Name the spaces in a private block (PS3.5 7.8.1), beside those that the object has."""
    tag = HOLDING_SPACES
    if any(name.startswith(tag[:4]) for name in data_set):
        try:
            tag = PrivateBlocks(data_set).place(tag, CREATOR)
        except InvalidDocument:
            return  # no block is left, which is an oddity of the object and no reason to hide it
    else:
        data_set[CREATOR_TAG] = element("LO", CREATOR)
    data_set[tag] = element("LO", *slugs)


def _address(found: Found, level: Level, links: Links) -> str:
    """Below the space that holds it; below all spaces where several do."""
    slug = found.space_slugs[0] if len(found.space_slugs) == 1 else ""
    if level is Level.STUDY:
        return links.study(slug, found.study_instance_uid)
    if level is Level.SERIES:
        return links.series(slug, found.study_instance_uid, found.series_instance_uid)
    return links.instance(
        slug,
        found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        sop_instance_uid=found.sop_instance_uid,
    )
