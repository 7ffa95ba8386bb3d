"""Says with which status of the Standard each error is answered. The most specific class wins.

Source: PS3.4 Table B.2-1, PS3.7 Annex C, PS3.18 Table I.2-2.
"""

import enum

from ingestion import errors


class Status(enum.IntEnum):
    """Statuses of more than one service (PS3.7 Annex C; PS3.4 C.4 for what goes on)."""

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
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION_TYPE = 0x0123
    NOT_AUTHORIZED = 0x0124
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213
    CANCEL = 0xFE00
    PENDING = 0xFF00


# PS3.4 Table B.2-1.
_OUT_OF_RESOURCES = 0xA700
_DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
_CANNOT_UNDERSTAND = 0xC000
_TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122

# PS3.4 Table B.2-1: A7xx, A9xx and Cxxx; PS3.7 C.5: 0122, 0124.
_C_STORE: dict[type[errors.IngestionError], int] = {
    errors.IngestionError: Status.PROCESSING_FAILURE,
    errors.InvalidInstance: _CANNOT_UNDERSTAND,
    errors.IdentifierMismatch: _DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
    errors.UnsupportedSOPClass: Status.SOP_CLASS_NOT_SUPPORTED,
    errors.UnsupportedTransferSyntax: _TRANSFER_SYNTAX_NOT_SUPPORTED,
    # Table B.2-1 has A7xx for resources, which more of helps; structure is not understood.
    errors.LimitExceeded: _OUT_OF_RESOURCES,
    errors.ObjectTooComplex: _CANNOT_UNDERSTAND,
    errors.InvalidRequest: _CANNOT_UNDERSTAND,
    errors.NotAuthenticated: Status.NOT_AUTHORIZED,
    errors.NotPermitted: Status.NOT_AUTHORIZED,
    errors.Unavailable: _OUT_OF_RESOURCES,
}

# PS3.18 Table I.2-2 has no value for a lack of permission: 0124H is PS3.7 C.5.
_STORE_FAILURE_REASON = _C_STORE | {
    errors.StudyMismatch: _DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
}

# PS3.7 C.5, for what is refused before the rules of its service are asked.
_OPERATION: dict[type[errors.IngestionError], int] = {
    errors.IngestionError: Status.PROCESSING_FAILURE,
    errors.InvalidInstance: Status.INVALID_ARGUMENT_VALUE,
    errors.InvalidRequest: Status.INVALID_ARGUMENT_VALUE,
    errors.LimitExceeded: Status.RESOURCE_LIMITATION,
    errors.NotAuthenticated: Status.NOT_AUTHORIZED,
    errors.NotPermitted: Status.NOT_AUTHORIZED,
    errors.NotFound: Status.NO_SUCH_SOP_INSTANCE,
    errors.Unavailable: Status.RESOURCE_LIMITATION,
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
