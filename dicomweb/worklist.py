"""The worklist and its workitems: create, search, retrieve, update, change state, cancel.

Source: PS3.18 11.4 to 11.9.
"""

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import DATA_SET, DATA_SETS, XML_DATA_SETS, binary
from dicomweb.paging import add_links
from dicomweb.parameters import PageLimits
from dicomweb.search import IGNORED, MORE_RESULTS
from dicomweb.spaces import storable_space
from dicomweb.worklist_bodies import (
    MANY,
    ONE,
    read_optional_workitem,
    read_workitem,
    workitem_response,
    workitems_response,
)
from dicomweb.worklist_parameters import (
    TRANSACTION_NAMES,
    WORKITEM_NAMES,
    ignored_parameters,
    parse_worklist_search,
    uid_parameter,
)
from dicomweb.worklist_subscriptions import WORKLIST_UIDS
from dicomweb.worklist_transactions import (
    CANCELLATION_REFUSALS,
    CHANGE_REFUSALS,
    CREATION_REFUSALS,
    SUCCESS_WARNINGS,
    UPDATE_REFUSALS,
    WorklistTransaction,
)
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.domain import workitem_requirements as attributes
from ingestion.domain.workitem_states import ProcedureStepState, StepStatus
from ingestion.errors import InvalidRequest
from ingestion.use_cases.change_workitem import (
    change_workitem_state,
    request_cancellation,
    update_workitem,
)
from ingestion.use_cases.create_workitem import create_workitem
from ingestion.use_cases.search_workitems import search_workitems
from ingestion.use_cases.workitem_records import find_workitem

MODIFIED = "The Workitem was created with modifications."
CUT_SHORT = "Not every Workitem was searched: narrow the search"

_JSON = "application/dicom+json"
_WORKITEM = {_JSON: DATA_SET, "application/dicom+xml": OpenApiTypes.BINARY}
_NO_BODY = OpenApiResponse(description="Done; Warning says what else is to be known.")
_NONE = OpenApiResponse(description="None, in XML.")
_SEARCH = [
    OpenApiParameter("limit", int, description="Results at most."),
    OpenApiParameter("offset", int, description="Results to skip."),
    OpenApiParameter("includefield", str, many=True, description="Keyword, tag, or `all`."),
    OpenApiParameter("fuzzymatching", bool, description="Match beginnings of name components."),
    OpenApiParameter("ProcedureStepState", str, description="One, or several by comma."),
    OpenApiParameter("ScheduledProcedureStepStartDateTime", str, description="Or a range, `-`."),
    OpenApiParameter("PatientID", str),
    OpenApiParameter("ScheduledStationNameCodeSequence.CodeValue", str),
]


class Worklist(WorklistTransaction):
    """The worklist of a space, or of all."""

    refusals = CREATION_REFUSALS

    @extend_schema(
        request=_WORKITEM,
        parameters=[OpenApiParameter("workitem", str, description="UID of the workitem.")],
        responses={201: _NO_BODY},
        description="Create a workitem (UPS-RS, PS3.18 11.4).",
    )
    def post(self, request: Request, space_slug: str = "") -> HttpResponseBase:
        """The address of the new workitem, which is SCHEDULED."""
        space = storable_space(self.principal, space_slug)
        step = read_workitem(request._request)
        uid = _given_uid(uid_parameter(self.query_string, WORKITEM_NAMES), step)
        created = create_workitem(space, step, sop_instance_uid=uid)
        response = HttpResponse(status=201)
        address = self.links.workitem(space.slug, created.workitem.sop_instance_uid)
        response.headers["Location"] = response.headers["Content-Location"] = address
        if created.is_modified:
            response.headers["Warning"] = self.warning(MODIFIED)
        return response

    @extend_schema(
        parameters=_SEARCH,
        responses={(200, _JSON): DATA_SETS, **XML_DATA_SETS, 204: _NONE},
        description="Search for workitems (UPS-RS, PS3.18 11.9).",
    )
    def get(self, _request: Request, space_slug: str = "") -> HttpResponseBase:
        """The page of matching workitems, by their scheduled start."""
        representation = self.choose(*MANY).representation
        limits = settings.LIMITS
        query = parse_worklist_search(
            self.query_string,
            scope=self.scope(space_slug),
            limits=PageLimits(limits.query_results_max, limits.query_offset_max),
        )
        page = search_workitems(query)
        response = workitems_response(page.results, representation)
        add_links(
            response,
            self.request._request,
            offset=query.offset,
            limit=query.limit,
            returned=len(page.results),
            has_more=page.has_more,
        )
        said = ((MORE_RESULTS, page.has_more), (CUT_SHORT, page.is_cut_short))
        texts = [IGNORED.format(name) for name in ignored_parameters(self.query_string)]
        texts += [text for text, is_so in said if is_so]
        if texts:
            response.headers["Warning"] = ", ".join(map(self.warning, texts))
        return response


class WorkitemResource(WorklistTransaction):
    """One workitem."""

    refusals = UPDATE_REFUSALS

    @extend_schema(
        responses={
            (200, _JSON): DATA_SETS,
            **XML_DATA_SETS,
            **binary("application/dicom+xml"),
        },
        description="Retrieve a workitem (UPS-RS, PS3.18 11.5).",
    )
    def get(self, _request: Request, workitem_uid: str, space_slug: str = "") -> HttpResponseBase:
        """The data set, without the Transaction UID."""
        representation = self.choose(*ONE).representation
        workitem = find_workitem(self.scope(space_slug), workitem_uid)
        return workitem_response(workitem.data_set, representation)

    @extend_schema(
        request=_WORKITEM,
        parameters=[OpenApiParameter("transaction-uid", str, description="Of whoever performs.")],
        responses={200: _NO_BODY},
        description="Update a workitem (UPS-RS, PS3.18 11.6).",
    )
    def post(self, request: Request, workitem_uid: str, space_slug: str = "") -> HttpResponseBase:
        """Set the attributes of the body; the others stay."""
        scope = self.scope(space_slug)
        changes = read_workitem(request._request)
        in_query = uid_parameter(self.query_string, TRANSACTION_NAMES)
        in_body = attributes.value(changes, attributes.TRANSACTION_UID)
        if in_query and in_body and in_query != in_body:
            raise InvalidRequest("the query and the body name different Transaction UIDs")
        update_workitem(scope, workitem_uid, changes=changes, transaction_uid=in_query or in_body)
        response = HttpResponse(status=200, content_type=_JSON)
        base = self.links.root.removesuffix("/dicomweb")
        response.headers["Content-Location"] = f"{base}{self.request.path}"
        return response


class WorkitemState(WorklistTransaction):
    """The state of a workitem."""

    refusals = CHANGE_REFUSALS

    @extend_schema(
        request=_WORKITEM,
        responses={200: _NO_BODY},
        description="Change the state of a workitem (UPS-RS, PS3.18 11.7).",
    )
    def put(self, request: Request, workitem_uid: str, space_slug: str = "") -> HttpResponseBase:
        """Claim, complete or cancel; a state that is reached already is a success."""
        scope = self.scope(space_slug)
        asked = read_workitem(request._request)
        status = change_workitem_state(
            scope,
            workitem_uid,
            wanted=_wanted_state(asked),
            transaction_uid=attributes.value(asked, attributes.TRANSACTION_UID),
        )
        return _done(self, 200, status)


class CancelRequest(WorklistTransaction):
    """Requests to cancel a workitem that another performs."""

    refusals = CANCELLATION_REFUSALS

    @extend_schema(
        request=_WORKITEM,
        responses={202: _NO_BODY},
        description="Request that a workitem be canceled (UPS-RS, PS3.18 11.8).",
    )
    def post(self, request: Request, workitem_uid: str, space_slug: str = "") -> HttpResponseBase:
        """Cancel what nobody has claimed; the body may tell why and whom to ask."""
        scope = self.scope(space_slug)
        reasons = read_optional_workitem(request._request)
        status = request_cancellation(scope, workitem_uid, reasons=reasons)
        return _done(self, 202, status)


def _done(
    view: WorklistTransaction, http_status: int, status: StepStatus | None
) -> HttpResponseBase:
    response = HttpResponse(status=http_status, content_type=_JSON)
    if status is not None:
        response.headers["Warning"] = view.warning(SUCCESS_WARNINGS[status])
    return response


def _given_uid(in_query: str, step: JsonDataSet) -> str:
    """The UID that a creation names, in the query or in the body; '' when in neither."""
    in_body = attributes.value(step, attributes.SOP_INSTANCE_UID)
    if in_query and in_body and in_query != in_body:
        raise InvalidRequest("the query and the body name different workitems")
    uid = in_query or in_body
    if uid and (not is_valid_uid(uid) or uid in WORKLIST_UIDS):
        raise InvalidRequest("a workitem must be named by a UID of its own")
    return uid


def _wanted_state(asked: JsonDataSet) -> ProcedureStepState:
    try:
        return ProcedureStepState(attributes.value(asked, attributes.PROCEDURE_STEP_STATE))
    except ValueError as error:
        states = ", ".join(ProcedureStepState)
        raise InvalidRequest(f"ProcedureStepState must be one of {states}") from error
