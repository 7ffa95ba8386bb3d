"""Errors of boto3 as errors of ours. Source: Amazon S3 API Reference, "Error responses".

Messages carry the server's error code and never its text, which may name keys and signatures.
"""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from ingestion.errors import (
    IngestionError,
    Misconfigured,
    ObjectMissing,
    ObjectStoreUnavailable,
    OutOfSpace,
)

S3_ERRORS = (BotoCoreError, ClientError)

_KINDS: dict[type[IngestionError], set[str]] = {
    ObjectMissing: {"NoSuchKey", "NotFound", "404"},
    Misconfigured: {
        *("NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "301", "MethodNotAllowed"),
        *("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "InvalidObjectState"),
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "RequestTimeTooSkewed"),
        *("AuthorizationHeaderMalformed", "InvalidRequest", "InvalidArgument", "400"),
    },
    OutOfSpace: {
        *("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "507"),
        *("XMinioAdminBucketQuotaExceeded", "InsufficientCapacity"),
    },
}
_KIND_BY_CODE = {code: kind for kind, codes in _KINDS.items() for code in codes}
_CONFIGURATION_ERRORS = (NoCredentialsError, PartialCredentialsError, ParamValidationError)


def error_code(error: BotoCoreError | ClientError) -> str:
    """The server's code, a bare HTTP status for answers without a body, or the kind of failure."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def from_s3_error(error: BotoCoreError | ClientError, subject: str) -> IngestionError:
    """What this failure means to us; everything unknown is worth a repeat."""
    code = error_code(error)
    if isinstance(error, _CONFIGURATION_ERRORS):
        return Misconfigured(f"{subject}: {code}")
    return _KIND_BY_CODE.get(code, ObjectStoreUnavailable)(f"{subject}: {code}")
