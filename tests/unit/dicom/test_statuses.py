"""Every error is answered with the status the Standard has for it."""

import pytest

from ingestion import errors
from ingestion.dicom.statuses import c_store_status, store_failure_reason

# PS3.4 Table B.2-1, PS3.7 C.5 and PS3.18 Table I.2-2: C-STORE status, failure reason.
STATUSES: dict[type[errors.IngestionError], tuple[int, int]] = {
    errors.IngestionError: (0x0110, 272),
    errors.NotDicom: (0xC000, 49152),
    errors.TruncatedDataSet: (0xC000, 49152),
    errors.MalformedDataSet: (0xC000, 49152),
    errors.MissingIdentifier: (0xC000, 49152),
    errors.InvalidIdentifier: (0xC000, 49152),
    errors.IdentifierMismatch: (0xA900, 43264),
    errors.StudyMismatch: (0xC000, 43264),
    errors.UnsupportedSOPClass: (0x0122, 290),
    errors.UnsupportedTransferSyntax: (0xC122, 49442),
    errors.LimitExceeded: (0xA700, 42752),
    errors.ObjectTooComplex: (0xC000, 49152),
    errors.NotAuthenticated: (0x0124, 292),
    errors.NotPermitted: (0x0124, 292),
    errors.OutOfSpace: (0xA700, 42752),
    errors.ObjectStoreUnavailable: (0xA700, 42752),
    errors.DatabaseUnavailable: (0xA700, 42752),
    errors.Misconfigured: (0x0110, 272),
}


@pytest.mark.parametrize("kind", STATUSES)
def test_an_error_is_answered_by_its_most_specific_class(
    kind: type[errors.IngestionError],
) -> None:
    error = kind("why")
    assert (c_store_status(error), store_failure_reason(error)) == STATUSES[kind]


def test_a_class_of_its_own_is_answered_as_its_parent() -> None:
    class Worse(errors.OutOfSpace):
        """An error of some other module."""

    assert c_store_status(Worse("why")) == 0xA700
