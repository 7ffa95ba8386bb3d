"""Says with which status of the Standard each error is answered. The most specific class wins.

Source: PS3.4 Table B.2-1, PS3.7 Annex C, PS3.18 Table I.2-2.
"""

from ingestion import errors

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORIZED = 0x0124
OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000
TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122

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


def c_store_status(error: errors.IngestionError) -> int:
    """Return the status of the C-STORE-RSP that refuses an object for `error`."""
    return _most_specific(_C_STORE, error)


def store_failure_reason(error: errors.IngestionError) -> int:
    """Return the Failure Reason (0008,1197) that tells why an instance was not stored."""
    return _most_specific(_STORE_FAILURE_REASON, error)


def _most_specific(
    table: dict[type[errors.IngestionError], int], error: errors.IngestionError
) -> int:
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
