"""What extended negotiation adds to C-FIND, and what holds without. Source: PS3.4 C.5.1.1."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydicom.dataset import Dataset

from ingestion.models import StorageSpace
from tests.integration.dimse.conftest import Service, Start
from tests.integration.dimse.find_client import (
    DOES_NOT_MATCH,
    MODELS,
    PENDING,
    STUDY_ROOT,
    SUCCESS,
    Answer,
    associate,
    find,
    keep,
    query,
)

# PS3.4 Table C.5-1: bytes of the service class application information.
COMBINED_TIMES = bytes([0, 1])
FUZZY = bytes([0, 0, 1])
TIMEZONE = bytes([0, 0, 0, 1])
TIMEZONE_AND_COMBINED_TIMES = bytes([0, 1, 0, 1])
EMPTY_VALUES = bytes([0, 0, 0, 0, 0, 1])
MULTIPLE_VALUES = bytes([0, 0, 0, 0, 0, 0, 1])


class Asker:
    """Asks in associations with this and that negotiated."""

    def __init__(self, service: Service, stack: ExitStack) -> None:
        self._service = service
        self._stack = stack

    def answer(self, extended: bytes = b"", /, **keys: Any) -> Answer:
        peer = self._stack.enter_context(self._service.connect())
        associate(peer, extended=extended)
        answer = find(peer, query("STUDY", **({"StudyInstanceUID": ""} | keys)))
        peer.release()
        return answer

    def matches(self, extended: bytes = b"", /, **keys: Any) -> list[Dataset]:
        answer = self.answer(extended, **keys)
        assert answer.status == SUCCESS
        return answer.matches

    def studies(self, extended: bytes = b"", /, **keys: Any) -> set[str]:
        return {str(found.StudyInstanceUID) for found in self.matches(extended, **keys)}


@pytest.fixture
def asker(space: StorageSpace, start_service: Start) -> Iterator[Asker]:
    with ExitStack() as stack:
        yield Asker(start_service(), stack)


def keep_study(space: StorageSpace, study: str, **values: Any) -> None:
    keep(space, study, f"{study}.1", f"{study}.1.1", **values)


def test_what_is_supported_is_accepted_and_nothing_else(start_service: Start) -> None:
    with start_service().connect() as peer:
        uid = STUDY_ROOT.encode()
        asked = len(uid).to_bytes(2, "big") + uid + bytes([1] * 7)
        accepted = len(uid).to_bytes(2, "big") + uid + bytes([1, 1, 1, 1, 0, 1, 1])
        contexts = [(3, MODELS[3], ["1.2.840.10008.1.2"])]
        item = b"\x56\0" + len(asked).to_bytes(2, "big") + asked
        answer = peer.associate(contexts, user_items=item)
        assert b"\x56\0" + len(accepted).to_bytes(2, "big") + accepted in answer.body


def test_names_are_fuzzy_only_where_that_was_negotiated(space: StorageSpace, asker: Asker) -> None:
    keep_study(space, "1.2.1", PatientName="Doe^Jane Mary")
    assert asker.studies(PatientName="jan do") == set()
    assert asker.studies(FUZZY, PatientName="jan do") == {"1.2.1"}
    assert asker.studies(PatientName="DOE^jane*") == {"1.2.1"}


def test_dates_and_times_are_one_range_only_where_that_was_negotiated(
    space: StorageSpace, asker: Asker
) -> None:
    keep_study(space, "1.2.1", StudyDate="20260101", StudyTime="200000")
    keep_study(space, "1.2.2", StudyDate="20260102", StudyTime="120000")
    keep_study(space, "1.2.3", StudyDate="20260102", StudyTime="200000")
    span = {"StudyDate": "20260101-20260102", "StudyTime": "100000-180000"}
    assert asker.studies(**span) == {"1.2.2"}
    assert asker.studies(COMBINED_TIMES, **span) == {"1.2.1", "1.2.2"}
    night = {"StudyDate": "20260101-20260102", "StudyTime": "180000-100000"}
    assert asker.answer(**night).status == DOES_NOT_MATCH
    assert asker.studies(COMBINED_TIMES, **night) == {"1.2.1"}


def test_empty_values_are_matched_only_where_that_was_negotiated(
    space: StorageSpace, asker: Asker
) -> None:
    keep_study(space, "1.2.1", AccessionNumber="")
    keep_study(space, "1.2.2", AccessionNumber="A2")
    assert asker.studies(AccessionNumber='""') == set()
    assert asker.studies(EMPTY_VALUES, AccessionNumber='""') == {"1.2.1"}
    assert asker.studies(AccessionNumber="") == {"1.2.1", "1.2.2"}


def test_all_of_several_values_match_only_where_that_was_negotiated(
    space: StorageSpace, asker: Asker
) -> None:
    keep_study(space, "1.2.1", OtherPatientIDs=["X1", "X2"])
    keep_study(space, "1.2.2", OtherPatientIDs=["X1"])
    assert asker.studies(OtherPatientIDs=["X1", "X2"]) == {"1.2.1", "1.2.2"}
    assert asker.studies(MULTIPLE_VALUES, OtherPatientIDs=["X1", "X2"]) == {"1.2.1"}


def test_times_are_matched_and_returned_in_the_zone_of_the_query(
    space: StorageSpace, asker: Asker
) -> None:
    midnight = {"StudyDate": "20260101", "StudyTime": "003000"}
    keep_study(space, "1.2.1", **midnight, TimezoneOffsetFromUTC="+0100")  # 2330 UTC the day before
    keep_study(space, "1.2.2", **midnight, TimezoneOffsetFromUTC="+0000")
    keep_study(space, "1.2.3", **midnight)  # somewhere
    keys = {"StudyDate": "20251231", "StudyTime": "", "TimezoneOffsetFromUTC": "+0000"}
    assert asker.studies(**keys) == set()
    assert asker.studies(TIMEZONE, **keys) == {"1.2.1"}
    (found,) = asker.matches(TIMEZONE, **keys)
    assert (found.StudyDate, found.StudyTime) == ("20251231", "233000")
    assert found.TimezoneOffsetFromUTC == "+0000"
    keys |= {"StudyDate": "20260101", "StudyTime": "0030"}
    assert asker.studies(TIMEZONE, **keys) == {"1.2.2", "1.2.3"}
    keys |= {"StudyTime": "", "TimezoneOffsetFromUTC": "-1145"}
    assert asker.studies(TIMEZONE, **keys) == {"1.2.3"}


def test_ranges_of_moments_cross_zones(space: StorageSpace, asker: Asker) -> None:
    keep_study(
        space, "1.2.1", StudyDate="20260101", StudyTime="2330", TimezoneOffsetFromUTC="-0500"
    )
    keys = {"StudyDate": "20260102-20260102", "TimezoneOffsetFromUTC": "+0100"}
    for times, expected in [("050000-060000", {"1.2.1"}), ("060000-070000", set())]:
        found = asker.studies(TIMEZONE_AND_COMBINED_TIMES, **keys, StudyTime=times)
        assert found == expected


def test_an_offset_that_is_none_is_refused(asker: Asker) -> None:
    answer = asker.answer(TIMEZONE, TimezoneOffsetFromUTC="CEST")
    assert answer.status == DOES_NOT_MATCH
    assert answer.offending_element == b"\x08\0\x01\x02"


def test_an_offset_is_returned_where_it_was_not_negotiated(
    space: StorageSpace, asker: Asker
) -> None:
    keep_study(space, "1.2.1", TimezoneOffsetFromUTC="+0100")
    answer = asker.answer(StudyTime="", TimezoneOffsetFromUTC="+0000")
    assert answer.pending == {PENDING}
    assert answer.matches[0].TimezoneOffsetFromUTC == "+0100"


def test_each_association_has_its_own(space: StorageSpace, start_service: Start) -> None:
    keep_study(space, "1.2.1", PatientName="Doe^Jane")
    service = start_service()
    with service.connect() as one, service.connect() as other:
        associate(one, extended=FUZZY)
        associate(other)
        for peer, amount in [(one, 1), (other, 0), (one, 1)]:
            assert len(find(peer, query("STUDY", PatientName="jane")).matches) == amount
