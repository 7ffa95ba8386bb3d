"""Presentation contexts: which are accepted, and the A-ASSOCIATE-AC that says so.

Source: PS3.8 9.3.3 (A-ASSOCIATE-AC), Table 9-18 (results); PS3.7 D.3.3 (user information);
PS3.4 B.5 (storage SOP Classes, as pynetdicom lists them).
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from ingestion.dicom.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN, KNOWN_TRANSFER_SYNTAXES
from ingestion.dimse.association_request import AssociationRequest, ProposedContext
from ingestion.dimse.upper_layer import APPLICATION_CONTEXT_NAME

VERIFICATION_SOP_CLASS_UID = "1.2.840.10008.1.1"
STORAGE_SOP_CLASS_UIDS = frozenset(
    str(context.abstract_syntax) for context in AllStoragePresentationContexts
)

_STANDARD_ROOT = "1.2.840.10008."
_STANDARD_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."


class ContextResult(enum.IntEnum):
    """Result of one presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class Openness(enum.Enum):
    """Which SOP Classes and transfer syntaxes are taken for storage."""

    KNOWN = "known"
    ANY = "any"  # private and unknown ones too, never those of other services


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """A proposed presentation context with our answer."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    result: ContextResult


def negotiate(request: AssociationRequest, openness: Openness) -> tuple[AnsweredContext, ...]:
    """Answer every context, in the order proposed.

    Of each accepted context the first transfer syntax that we can keep is chosen: the
    peer's order is its preference, and objects rest as they come.
    """
    return tuple(_answer(context, openness) for context in request.contexts)


def accepted(contexts: tuple[AnsweredContext, ...]) -> Mapping[int, AnsweredContext]:
    """The accepted contexts by their ID."""
    return {
        context.context_id: context
        for context in contexts
        if context.result is ContextResult.ACCEPTANCE
    }


def is_supported_sop_class(sop_class_uid: str, openness: Openness) -> bool:
    """Verification and storage; with `Openness.ANY` whatever is not of another service."""
    if sop_class_uid == VERIFICATION_SOP_CLASS_UID or sop_class_uid in STORAGE_SOP_CLASS_UIDS:
        return True
    return openness is Openness.ANY and _may_be_storage(sop_class_uid)


def encode_acceptance(
    request: AssociationRequest, contexts: tuple[AnsweredContext, ...], *, pdu_bytes_max: int
) -> bytes:
    """The A-ASSOCIATE-AC PDU. Roles and extended negotiation stay unanswered: defaults hold."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT_NAME
    primitive.called_ae_title = request.called_ae_title
    primitive.calling_ae_title = request.calling_ae_title
    primitive.result = 0
    primitive.presentation_context_definition_results_list = [
        _result_item(context) for context in contexts
    ]
    primitive.user_information = [
        *_implementation(pdu_bytes_max),
        *_operations_window(request),
    ]
    return bytes(A_ASSOCIATE_AC(primitive).encode())


def _answer(context: ProposedContext, openness: Openness) -> AnsweredContext:
    chosen = next(
        (uid for uid in context.transfer_syntaxes if _is_supported_syntax(uid, openness)), ""
    )
    if not is_supported_sop_class(context.abstract_syntax, openness):
        result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
    elif not chosen:
        result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    else:
        result = ContextResult.ACCEPTANCE
    return AnsweredContext(
        context_id=context.context_id,
        abstract_syntax=context.abstract_syntax,
        transfer_syntax=chosen or IMPLICIT_VR_LITTLE_ENDIAN,  # of no meaning unless accepted
        result=result,
    )


def _is_supported_syntax(uid: str, openness: Openness) -> bool:
    if uid in KNOWN_TRANSFER_SYNTAXES:
        return True
    return openness is Openness.ANY and is_valid_uid(uid)


def _may_be_storage(uid: str) -> bool:
    """Private, or of the Standard's storage root; never what is known to be something else."""
    if not is_valid_uid(uid) or uid_to_service_class(uid) not in {
        ServiceClass,  # what pynetdicom does not know
        StorageServiceClass,
    }:
        return False
    return uid.startswith(_STANDARD_STORAGE_ROOT) or not uid.startswith(_STANDARD_ROOT)


def _result_item(context: AnsweredContext) -> PresentationContext:
    item = PresentationContext()
    item.context_id = context.context_id
    item.result = int(context.result)
    item.transfer_syntax = [context.transfer_syntax]
    return item


def _implementation(
    pdu_bytes_max: int,
) -> tuple[
    MaximumLengthNotification,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
]:
    maximum_length = MaximumLengthNotification()
    maximum_length.maximum_length_received = pdu_bytes_max
    class_uid = ImplementationClassUIDNotification()
    class_uid.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version_name = ImplementationVersionNameNotification()
    version_name.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return maximum_length, class_uid, version_name


def _operations_window(
    request: AssociationRequest,
) -> tuple[AsynchronousOperationsWindowNegotiation, ...]:
    """One operation at a time, said only to a peer that asked (PS3.7 D.3.3.3)."""
    if not request.proposes_asynchronous_operations:
        return ()
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 1
    window.maximum_number_operations_performed = 1
    return (window,)
