"""Answers to our A-ASSOCIATE-RQ, read whatever they are: understood, or a violation."""

import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.dimse.protocol.association_acceptance import Acceptance, decode_acceptance
from ingestion.dimse.protocol.association_proposal import Proposal, encode_association_request
from ingestion.dimse.protocol.association_request import decode_association_request
from ingestion.dimse.protocol.upper_layer import ProtocolViolation
from tests.scripted_acceptor import associate_ac
from tests.scripted_peer import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, IMPLICIT_LITTLE, item

PROPOSALS = (
    Proposal("1.2.840.10008.1.1", (IMPLICIT_LITTLE,)),
    Proposal(CT_IMAGE_STORAGE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
)
ROLE = item(0x54, struct.pack(">H", 5) + b"1.2.3" + b"\1\1")
EXTENDED = item(0x56, struct.pack(">H", 5) + b"1.2.3" + b"\1")
GOOD = associate_ac({1: (0, IMPLICIT_LITTLE), 3: (4, "")}, user_items=ROLE + EXTENDED)[6:]


def understood(body: bytes) -> Acceptance | None:
    """What it says; None for a violation. Anything else fails the test."""
    try:
        return decode_acceptance(body, PROPOSALS)
    except ProtocolViolation:
        return None


@settings(max_examples=50)
@given(st.binary(max_size=400))
@example(b"")
@example(bytes(68))
def test_any_bytes_end_in_one_kind_of_error(body: bytes) -> None:
    understood(bytes(68) + body)
    understood(body)


@settings(max_examples=50)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_damaged_answer_ends_in_one_kind_of_error(at: int, value: int, cut: int) -> None:
    damaged = bytearray(GOOD)
    damaged[at] = value
    understood(bytes(damaged))
    understood(bytes(damaged[:cut]))
    understood(bytes(damaged) + bytes(damaged[at:]))


def test_answer_is_understood() -> None:
    acceptance = understood(GOOD)
    assert acceptance is not None
    assert set(acceptance.contexts) == {1}
    assert [context.context_id for context in acceptance.answered] == [1, 3]
    assert acceptance.extended == {"1.2.3": b"\1"}
    assert acceptance.pdu_bytes_max == 16384


UIDS = st.integers(0).map(lambda number: f"2.25.{number % 10**30}")


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(
            Proposal,
            abstract_syntax=UIDS,
            transfer_syntaxes=st.lists(UIDS, min_size=1, max_size=5).map(tuple),
            as_scp=st.booleans(),
            extended=st.binary(max_size=6),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_proposed_is_read_as_it_was_meant(proposals: list[Proposal]) -> None:
    encoded = encode_association_request(
        proposals, calling_ae_title="US", called_ae_title="THE PEER", pdu_bytes_max=4096
    )
    request = decode_association_request(encoded[6:])
    assert (request.calling_ae_title, request.called_ae_title) == ("US", "THE PEER")
    assert request.pdu_bytes_max == 4096
    assert [context.context_id for context in request.contexts] == list(
        range(1, 2 * len(proposals), 2)
    )
    assert [
        (context.abstract_syntax, context.transfer_syntaxes) for context in request.contexts
    ] == [(proposal.abstract_syntax, proposal.transfer_syntaxes) for proposal in proposals]
    assert set(request.roles) == {each.abstract_syntax for each in proposals if each.as_scp}
    assert set(request.extended) == {each.abstract_syntax for each in proposals if each.extended}
