"""The Instance Availability Notification service as SCP: what is told is taken as a hint.

Source: PS3.4 Annex R.
"""

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dimse.protocol.commands import Request
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.services.normalized_operations import Served, begin_normalized
from ingestion.dimse.services.operations import Desk, Operation
from ingestion.use_cases.hint_completeness import note_availability


def begin_availability(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Take a notification for the called AE's space. Raises nothing: refuses by answer."""

    def serve(data_set: JsonDataSet) -> Served:
        space = desk.conversation.storage_space
        uid = note_availability(space, data_set, sop_instance_uid=request.sop_instance_uid)
        return Served(sop_instance_uid=uid)

    return begin_normalized(request, context, serve)
