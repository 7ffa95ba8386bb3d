"""The small PDUs, byte for byte. Source: PS3.8 Tables 9-21 to 9-26, Annex E."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dimse.protocol.upper_layer import (
    Abort,
    Rejection,
    encode_abort,
    encode_command,
    encode_rejection,
    encode_release_response,
)

# PS3.8 Table 9-21: result, source, reason.
REJECTIONS = {
    Rejection.NOT_ACCEPTING: "02 01 01",
    Rejection.NO_REASON_GIVEN: "01 01 01",
    Rejection.APPLICATION_CONTEXT_NOT_SUPPORTED: "01 01 02",
    Rejection.CALLING_AE_NOT_RECOGNIZED: "01 01 03",
    Rejection.CALLED_AE_NOT_RECOGNIZED: "01 01 07",
    Rejection.PROTOCOL_VERSION_NOT_SUPPORTED: "01 02 02",
    Rejection.IDENTITY_NOT_ACCEPTED: "01 02 01",
    Rejection.TEMPORARY_CONGESTION: "02 03 01",
    Rejection.LOCAL_LIMIT_EXCEEDED: "02 03 02",
}
# PS3.8 Table 9-26: source, reason.
ABORTS = {
    Abort.BY_SERVICE_USER: "00 00",
    Abort.NOT_SPECIFIED: "02 00",
    Abort.UNRECOGNIZED_PDU: "02 01",
    Abort.UNEXPECTED_PDU: "02 02",
    Abort.UNEXPECTED_PDU_PARAMETER: "02 05",
    Abort.INVALID_PDU_PARAMETER: "02 06",
}


@pytest.mark.parametrize("rejection", Rejection)
def test_rejection(rejection: Rejection) -> None:
    expected = bytes.fromhex(f"03 00 00000004 00 {REJECTIONS[rejection]}")
    assert encode_rejection(rejection) == expected


@pytest.mark.parametrize("abort", Abort)
def test_abort(abort: Abort) -> None:
    assert encode_abort(abort) == bytes.fromhex(f"07 00 00000004 00 00 {ABORTS[abort]}")


def test_release_response() -> None:
    assert encode_release_response() == bytes.fromhex("06 00 00000004 00000000")


def test_command_in_one_pdu() -> None:
    expected = bytes.fromhex("04 00 00000009 00000005 07 03") + b"abc"
    assert encode_command(b"abc", context_id=7, pdu_bytes_max=0) == expected


@given(st.binary(min_size=1, max_size=300), st.integers(7, 400))
def test_command_in_pieces_is_whole_and_within_the_limit(command: bytes, maximum: int) -> None:
    encoded = encode_command(command, context_id=1, pdu_bytes_max=maximum)
    offset, whole, controls = 0, b"", []
    while offset < len(encoded):
        length = int.from_bytes(encoded[offset + 2 : offset + 6], "big")
        assert length <= maximum
        controls.append(encoded[offset + 11])
        whole += encoded[offset + 12 : offset + 6 + length]
        offset += 6 + length
    assert whole == command
    assert controls == [1] * (len(controls) - 1) + [3]
