"""Subscriptions to workitems and worklists: subscribe, unsubscribe, suspend.

Departs from PS3.18 11.10.3.2: no event channel is open yet, so that no answer leads to one and
each says so.
Source: PS3.18 11.10 to 11.12; PS3.4 CC.2.3.
"""

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from dicomweb.spaces import storable_space
from dicomweb.worklist_parameters import deletion_lock, filter_keys
from dicomweb.worklist_transactions import WorklistTransaction
from ingestion.use_cases.subscribe_to_workitems import (
    subscribe_to_workitem,
    subscribe_to_worklist,
    suspend_worklist_subscription,
    unsubscribe_from_workitem,
    unsubscribe_from_worklist,
)

ALL_WORKITEMS = "1.2.840.10008.5.1.4.34.5"
FILTERED_WORKITEMS = "1.2.840.10008.5.1.4.34.5.1"
WORKLIST_UIDS = (ALL_WORKITEMS, FILTERED_WORKITEMS)
NO_EVENTS = "The subscription is kept, but no event reports are sent."

_EMPTY = OpenApiResponse(description="No body.")


class WorkitemSubscriber(WorklistTransaction):
    """One AE title as subscriber of a workitem or, by a well-known UID, of a worklist."""

    @extend_schema(
        request=None,
        parameters=[
            OpenApiParameter("deletionlock", bool),
            OpenApiParameter("filter", str, description="attribute=value, several by comma."),
        ],
        responses={201: _EMPTY},
        description="Subscribe (UPS-RS, PS3.18 11.10).",
    )
    def post(
        self, _request: Request, workitem_uid: str, ae_title: str, space_slug: str = ""
    ) -> HttpResponseBase:
        """Subscribe the AE, or change its subscription."""
        has_lock = deletion_lock(self.query_string)
        if workitem_uid in WORKLIST_UIDS:
            is_filtered = workitem_uid == FILTERED_WORKITEMS
            subscribe_to_worklist(
                storable_space(self.principal, space_slug),
                ae_title=ae_title,
                matching_keys=filter_keys(self.query_string) if is_filtered else "",
                has_deletion_lock=has_lock,
            )
        else:
            subscribe_to_workitem(
                self.scope(space_slug), workitem_uid, ae_title=ae_title, has_deletion_lock=has_lock
            )
        response = HttpResponse(status=201)
        response.headers["Warning"] = self.warning(NO_EVENTS)
        return response

    @extend_schema(responses={200: _EMPTY}, description="Unsubscribe (UPS-RS, PS3.18 11.11).")
    def delete(
        self, _request: Request, workitem_uid: str, ae_title: str, space_slug: str = ""
    ) -> HttpResponseBase:
        """End the subscription; that to a worklist with all to its workitems."""
        if workitem_uid in WORKLIST_UIDS:
            space = storable_space(self.principal, space_slug)
            unsubscribe_from_worklist(space, ae_title=ae_title)
        else:
            unsubscribe_from_workitem(self.scope(space_slug), workitem_uid, ae_title=ae_title)
        return HttpResponse(status=200)


class SuspendedSubscriber(WorklistTransaction):
    """The end of a subscription to workitems that are still to come."""

    @extend_schema(
        request=None,
        responses={200: _EMPTY},
        description="Suspend a global subscription (UPS-RS, PS3.18 11.12).",
    )
    def post(self, _request: Request, ae_title: str, space_slug: str = "") -> HttpResponseBase:
        """The AE stays subscribed to the workitems there are."""
        space = storable_space(self.principal, space_slug)
        suspend_worklist_subscription(space, ae_title=ae_title)
        return HttpResponse(status=200)
