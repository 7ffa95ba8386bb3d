"""What every transaction of the Worklist Service shares: scopes, and how it says no.

Source: PS3.18 11; the texts of Warning are the Standard's (11.6.3.2, 11.7.3.2, 11.8.3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import HttpResponseBase
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from dicomweb.authentication import Action, Principal
from dicomweb.problems import problem
from dicomweb.transactions import StudiesTransaction
from ingestion.domain.workitem_states import StepStatus
from ingestion.errors import WorkitemRefused


class HasWorklistScope(BasePermission):
    """Reading needs the scope to read, all else that to store: nothing is ever deleted."""

    def has_permission(self, request: Request, _view: object) -> bool:
        is_reading = request.method in ("GET", "HEAD", "OPTIONS")
        action = Action.READ if is_reading else Action.STORE
        return isinstance(request.user, Principal) and action in request.user.actions


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a DIMSE status is told in HTTP; an empty `warning` leaves it to the error's words."""

    http_status: int
    warning: str


_INCONSISTENT = "The submitted request is inconsistent with the state of the UPS Instance."
_INCONSISTENT_UPDATE = (
    "The submitted request is inconsistent with the current state of the Workitem."
)
_UNCLAIMED = "The target URI did not reference a claimed Workitem."

# PS3.18 Table 11.4.3-1.
CREATION_REFUSALS = {
    StepStatus.EXISTS_ALREADY: Refusal(409, ""),
    StepStatus.NOT_CREATED_SCHEDULED: Refusal(400, ""),
}
# PS3.18 Table 11.6.3-1: 400 for final states and wrong locks, 409 for other states.
UPDATE_REFUSALS = {
    StepStatus.FINAL: Refusal(400, _INCONSISTENT_UPDATE),
    StepStatus.WRONG_TRANSACTION_UID: Refusal(400, _INCONSISTENT_UPDATE),
    StepStatus.NOT_IN_PROGRESS: Refusal(409, _UNCLAIMED),
}
# PS3.18 Table 11.7.3-1: 400 for wrong locks, 409 for states that do not lead there.
CHANGE_REFUSALS = {
    StepStatus.WRONG_TRANSACTION_UID: Refusal(400, ""),
    StepStatus.SCHEDULED_ONLY_WHEN_CREATED: Refusal(400, _INCONSISTENT),
    StepStatus.FINAL: Refusal(409, _INCONSISTENT),
    StepStatus.ALREADY_IN_PROGRESS: Refusal(409, _INCONSISTENT),
    StepStatus.NOT_IN_PROGRESS: Refusal(409, _INCONSISTENT),
    StepStatus.FINAL_STATE_REQUIREMENTS: Refusal(409, _INCONSISTENT),
}
# PS3.18 Table 11.8.3-1.
CANCELLATION_REFUSALS = {
    StepStatus.CANCELLATION_COMPLETED: Refusal(409, "The UPS is already COMPLETED."),
    StepStatus.PERFORMER_OUT_OF_REACH: Refusal(409, "The performer cannot be contacted."),
}
# PS3.18 11.7.3.2, 11.8.3.2: done, for there was nothing to do.
SUCCESS_WARNINGS = {
    StepStatus.ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED.",
    StepStatus.ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED.",
}


class WorklistTransaction(StudiesTransaction):
    """A view of the Worklist Service. `refusals` is its table of what the rules forbid."""

    permission_classes = (HasWorklistScope,)
    refusals: ClassVar[Mapping[StepStatus, Refusal]] = {}

    @property
    def query_string(self) -> str:
        """The query as it was sent."""
        return str(self.request.META.get("QUERY_STRING", ""))

    def warning(self, text: str) -> str:
        """A Warning of ours (PS3.18 8.4, RFC 7234 5.5)."""
        return f'299 {self.links.root} "{text}"'

    def handle_exception(self, error: Exception) -> Any:
        """A refusal by this transaction's table; the product's own table knows all else."""
        if not isinstance(error, WorkitemRefused):
            return super().handle_exception(error)
        refusal = self.refusals[StepStatus(error.status)]
        response: HttpResponseBase = problem(refusal.http_status, error.code, str(error))
        text = str(error)
        words = refusal.warning or f"{text[:1].upper()}{text[1:]}."
        response.headers["Warning"] = self.warning(words)
        return response
