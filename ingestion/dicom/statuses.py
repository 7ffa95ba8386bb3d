"""Says with which status of the Standard each error is answered. The most specific class wins.

Source: PS3.4 Table B.2-1, PS3.7 Annex C, PS3.18 Table I.2-2.
"""

import enum

from ingestion import errors

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORIZED = 0x0124
OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000
TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122


class OperationStatus(enum.IntEnum):
    """Statuses of the normalized operations and notifications (PS3.7 C.5)."""

    SUCCESS = 0x0000
    NO_SUCH_ATTRIBUTE = 0x0105
    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    NO_SUCH_ARGUMENT = 0x0114
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_SOP_INSTANCE = 0x0117
    NO_SUCH_SOP_CLASS = 0x0118
    CLASS_INSTANCE_CONFLICT = 0x0119
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213


# PS3.4 Table B.2-1: A7xx, A9xx and Cxxx; PS3.7 C.5: 0122, 0124.
_C_STORE: dict[type[errors.IngestionError], int] = {
    errors.IngestionError: PROCESSING_FAILURE,
    errors.InvalidInstance: CANNOT_UNDERSTAND,
    errors.IdentifierMismatch: DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
    errors.UnsupportedSOPClass: SOP_CLASS_NOT_SUPPORTED,
    errors.UnsupportedTransferSyntax: TRANSFER_SYNTAX_NOT_SUPPORTED,
    # Table B.2-1 has A7xx for resources, which more of helps; structure is not understood.
    errors.LimitExceeded: OUT_OF_RESOURCES,
    errors.ObjectTooComplex: CANNOT_UNDERSTAND,
    errors.InvalidRequest: CANNOT_UNDERSTAND,
    errors.NotAuthenticated: NOT_AUTHORIZED,
    errors.NotPermitted: NOT_AUTHORIZED,
    errors.Unavailable: OUT_OF_RESOURCES,
}

# PS3.18 Table I.2-2 has no value for a lack of permission: 0124H is PS3.7 C.5.
_STORE_FAILURE_REASON = _C_STORE | {
    errors.StudyMismatch: DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
}

# PS3.7 C.5, for what is refused before the rules of its service are asked.
_OPERATION: dict[type[errors.IngestionError], int] = {
    errors.IngestionError: OperationStatus.PROCESSING_FAILURE,
    errors.InvalidInstance: OperationStatus.INVALID_ARGUMENT_VALUE,
    errors.InvalidRequest: OperationStatus.INVALID_ARGUMENT_VALUE,
    errors.LimitExceeded: OperationStatus.RESOURCE_LIMITATION,
    errors.NotAuthenticated: OperationStatus.NOT_AUTHORIZED,
    errors.NotPermitted: OperationStatus.NOT_AUTHORIZED,
    errors.NotFound: OperationStatus.NO_SUCH_SOP_INSTANCE,
    errors.Unavailable: OperationStatus.RESOURCE_LIMITATION,
}


def c_store_status(error: errors.IngestionError) -> int:
    """Return the status of the C-STORE-RSP that refuses an object for `error`."""
    return _most_specific(_C_STORE, error)


def store_failure_reason(error: errors.IngestionError) -> int:
    """Return the Failure Reason (0008,1197) that tells why an instance was not stored."""
    return _most_specific(_STORE_FAILURE_REASON, error)


def operation_status(error: errors.IngestionError) -> int:
    """Return the status of the N-…-RSP that refuses an operation for `error`."""
    if isinstance(error, errors.OperationRefused):
        return error.status
    return _most_specific(_OPERATION, error)


def _most_specific(
    table: dict[type[errors.IngestionError], int], error: errors.IngestionError
) -> int:
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
