"""Every error this product raises on purpose, in one tree.

    IngestionError
    ├── InvalidInstance                 the object breaks the Standard; sending it again cannot help
    │   ├── NotDicom
    │   ├── TruncatedDataSet
    │   ├── MalformedDataSet
    │   ├── MissingIdentifier
    │   ├── InvalidIdentifier
    │   ├── IdentifierMismatch
    │   ├── StudyMismatch
    │   ├── MissingBulkData
    │   ├── UnsupportedSOPClass
    │   └── UnsupportedTransferSyntax
    ├── LimitExceeded                   a limit of `environment.py` was hit
    │   └── ObjectTooComplex            by the object's own structure: a repeat cannot help
    ├── InvalidRequest                  a query, a header or a body that cannot be understood
    │   ├── InvalidQuery
    │   │   └── InvalidKey              it knows which attribute
    │   ├── InvalidMultipart
    │   ├── InvalidDocument
    │   ├── RequestTooSlow
    │   ├── NotAcceptable
    │   └── UnsupportedMediaType
    ├── NotFound
    ├── HeldInSeveralSpaces             the request must name the storage space it means
    ├── WorkitemRefused                 the rules of Unified Procedure Steps forbid it
    ├── OperationRefused                the rules of a normalized DIMSE service forbid it
    ├── NotAuthenticated
    ├── NotPermitted
    ├── AssociationRefused              by policy; `retryable` tells transient from permanent
    ├── Unavailable                     our side cannot take work now; trying again later can help
    │   ├── OutOfSpace
    │   ├── ObjectStoreUnavailable
    │   ├── DatabaseUnavailable
    │   └── BrokerUnavailable
    ├── UnreadablePixelData             frames that cannot be taken apart or decoded as asked
    ├── ObjectMissing                   the manifest knows it, the object store does not
    └── Misconfigured

Each class has a stable `code`, told to people and machines, and says whether a
repeat can succeed (`retryable`). Messages name the thing and the rule it broke,
and never carry values of patients, tokens or bodies.
"""

from typing import ClassVar


class IngestionError(Exception):
    """Any failure the product foresees."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


class InvalidInstance(IngestionError):
    """The object breaks the Standard: sending the same bytes again cannot help."""

    code = "invalid-instance"


class NotDicom(InvalidInstance):
    """The bytes are neither a DICOM file (PS3.10) nor a bare data set."""

    code = "not-dicom"


class TruncatedDataSet(InvalidInstance):
    """An element declares more bytes than the object has."""

    code = "truncated-data-set"


class MalformedDataSet(InvalidInstance):
    """The bytes cannot be read as elements in the declared transfer syntax (PS3.5 7)."""

    code = "malformed-data-set"


class MissingIdentifier(InvalidInstance):
    """A UID without which no object can be kept is absent or empty."""

    code = "missing-identifier"


class InvalidIdentifier(InvalidInstance):
    """A UID breaks PS3.5 9.1."""

    code = "invalid-identifier"


class IdentifierMismatch(InvalidInstance):
    """Command set, file meta information and data set name different objects."""

    code = "identifier-mismatch"


class StudyMismatch(InvalidInstance):
    """The instance belongs to another study than the one addressed (PS3.18 10.5.1)."""

    code = "study-mismatch"


class MissingBulkData(InvalidInstance):
    """A data set refers to bulk data that did not come with it (PS3.18 10.5.1.4)."""

    code = "missing-bulk-data"


class UnsupportedSOPClass(InvalidInstance):
    """The SOP Class is not accepted here."""

    code = "unsupported-sop-class"


class UnsupportedTransferSyntax(InvalidInstance):
    """The transfer syntax is unknown or not accepted here."""

    code = "unsupported-transfer-syntax"


class LimitExceeded(IngestionError):
    """A limit of `environment.py` was hit; the message names it and its value."""

    code = "limit-exceeded"


class ObjectTooComplex(LimitExceeded):
    """The data set is nested, long or inflates beyond what is read of any; so it will always be."""

    code = "object-too-complex"


class InvalidRequest(IngestionError):
    """A request that cannot be understood."""

    code = "invalid-request"


class InvalidQuery(InvalidRequest):
    """A query parameter or identifier that cannot be matched."""

    code = "invalid-query"


class InvalidKey(InvalidQuery):
    """An attribute of a query that may not be as it is, or is missing."""

    def __init__(self, message: str, tag: int) -> None:
        """`tag` is that of the attribute."""
        super().__init__(message)
        self.tag = tag


class InvalidMultipart(InvalidRequest):
    """A multipart body that breaks RFC 2046 or ends before it should."""

    code = "invalid-multipart"


class InvalidDocument(InvalidRequest):
    """JSON or XML that is no data set of PS3.18 Annex F or PS3.19 A.1."""

    code = "invalid-document"


class RequestTooSlow(InvalidRequest):
    """The client was silent for too long while its body was read (RFC 9110 15.5.9)."""

    code = "request-too-slow"
    retryable = True


class NotAcceptable(InvalidRequest):
    """Nothing the client accepts can be made (PS3.18 8.7.4)."""

    code = "not-acceptable"


class UnsupportedMediaType(InvalidRequest):
    """The body is of a media type that is not taken (PS3.18 8.7.5)."""

    code = "unsupported-media-type"


class NotFound(IngestionError):
    """The thing asked for is not here, or not for this principal."""

    code = "not-found"


class HeldInSeveralSpaces(IngestionError):
    """More than one storage space holds what shall be changed; the request must name one."""

    code = "held-in-several-spaces"


class WorkitemRefused(IngestionError):
    """The state of a workitem, or its lock, forbids the request (PS3.4 CC.1.1, CC.2)."""

    code = "workitem-refused"

    def __init__(self, message: str, status: int) -> None:
        """`status` is the DIMSE status of the refusal, 0xC300 and others."""
        super().__init__(message)
        self.status = status


class OperationRefused(IngestionError):
    """The rules of a normalized DIMSE service forbid the operation (PS3.7 C.5)."""

    code = "operation-refused"

    def __init__(
        self,
        message: str,
        status: int,
        *,
        tags: tuple[str, ...] = (),
        error_id: int | None = None,
    ) -> None:
        """`status` is that of the response, `tags` are the attributes that it names."""
        super().__init__(message)
        self.status = status
        self.tags = tags
        self.error_id = error_id


class NotAuthenticated(IngestionError):
    """No valid credentials came with the request."""

    code = "not-authenticated"


class NotPermitted(IngestionError):
    """The principal is known and may not do this."""

    code = "not-permitted"


class AssociationRefused(IngestionError):
    """An association that policy turns away."""

    code = "association-refused"


class Unavailable(IngestionError):
    """Our side cannot take work now; nothing was acknowledged, a later repeat can help."""

    code = "unavailable"
    retryable = True


class OutOfSpace(Unavailable):
    """The spool or the object store is full."""

    code = "out-of-space"


class ObjectStoreUnavailable(Unavailable):
    """The object store did not confirm."""

    code = "object-store-unavailable"


class DatabaseUnavailable(Unavailable):
    """PostgreSQL did not confirm."""

    code = "database-unavailable"


class BrokerUnavailable(Unavailable):
    """The broker did not take a wake-up. Rows remain due; the sweep finds them."""

    code = "broker-unavailable"


class UnreadablePixelData(IngestionError):
    """The pixels of an instance cannot be taken apart or decoded: no form of them can be made."""

    code = "unreadable-pixel-data"


class ObjectMissing(IngestionError):
    """The manifest knows an object that its store does not have."""

    code = "object-missing"


class Misconfigured(IngestionError):
    """A setting, a storage space or a subscription that cannot work as it stands."""

    code = "misconfigured"
