"""Any cut of the stream and any fragmentation carry the same messages; any bytes do no harm.

Source: PS3.8 9.3.1, 9.3.5, Annex E; PS3.7 Annex F.
"""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.dimse.acceptor.association import Association
from ingestion.dimse.acceptor.house import House
from ingestion.dimse.journal.association_end import AssociationEnding, Outcome
from ingestion.dimse.protocol.commands import Request
from ingestion.dimse.services.operations import Link, Message
from tests.scripted_peer import (
    ECHO_AND_CT,
    ECHO_RQ,
    STORE_RQ,
    ScriptedPeer,
    abort,
    associate_rq,
    command_set,
    echo_command,
    message,
    p_data,
    pdv,
    release_rq,
    store_command,
)
from tests.unit.dimse.custodian import Custodian
from tests.unit.dimse.scripted_service import ScriptedService, final, pending

# A message: presentation context, message ID, data set or none.
Sent = tuple[int, int, bytes | None]
Pdv = tuple[int, bytes, bool, bool]  # context, fragment, is it of a command set, is it the last

MESSAGES = st.lists(
    st.tuples(st.sampled_from([1, 3]), st.integers(0, 65535), st.none() | st.binary(max_size=400)),
    min_size=1,
    max_size=5,
)
SIZES = st.lists(st.integers(0, 90), min_size=1, max_size=12).filter(any)
COUNTS = st.lists(st.integers(0, 4), min_size=1, max_size=8).filter(any)
CUTS = st.lists(st.integers(1, 300), min_size=1, max_size=12)


def pdvs_of(messages: list[Sent], sizes: list[int]) -> Iterator[Pdv]:
    """Every command set and data set in fragments of these sizes, one after the other."""
    turn = 0
    for context_id, message_id, data_set in messages:
        kind = 0x0101 if data_set is None else 0
        field = ECHO_RQ if data_set is None else STORE_RQ
        command = command_set(field, message_id=message_id, data_set_type=kind)
        for part, is_command in ((command, True), (data_set, False)):
            rest = part
            while rest is not None:
                size = sizes[turn % len(sizes)]
                turn += 1
                fragment, rest = rest[:size], rest[size:] or None
                yield context_id, fragment, is_command, rest is None


def stream_of(pdvs: list[Pdv], counts: list[int]) -> bytes:
    """PDUs that hold so many of them, one after the other."""
    stream, turn = b"", 0
    while pdvs:
        count = counts[turn % len(counts)]
        turn += 1
        stream += p_data(
            *(
                pdv(c, fragment, command=command, last=last)
                for c, fragment, command, last in pdvs[:count]
            )
        )
        pdvs = pdvs[count:]
    return stream


def write_in_pieces(connection: socket.socket, stream: bytes, cuts: list[int]) -> None:
    offset = turn = 0
    while offset < len(stream):
        size = cuts[turn % len(cuts)]
        connection.sendall(stream[offset : offset + size])
        offset, turn = offset + size, turn + 1


@settings(max_examples=80)
@given(messages=MESSAGES, sizes=SIZES, counts=COUNTS, cuts=CUTS)
def test_any_fragments_cut_anywhere_are_the_same_requests(
    house: House, messages: list[Sent], sizes: list[int], counts: list[int], cuts: list[int]
) -> None:
    received: list[bytes] = []

    def answers(request: Request, data_set: bytes, _link: Link) -> Iterator[Message]:
        received.append(data_set)
        yield final(request)

    service = ScriptedService(answers)
    ours, theirs = socket.socketpair()
    association = Association(ours, "127.0.0.1", house=replace(house, begin=service.begin))
    served = threading.Thread(target=association.run)
    served.start()
    with ScriptedPeer(theirs) as peer:
        peer.associate(ECHO_AND_CT)
        stream = stream_of(list(pdvs_of(messages, sizes)), counts)
        write_in_pieces(theirs, stream, cuts)
        answered = [peer.read_response() for _ in messages]
        peer.release()
    served.join(60)
    assert [(a.context_id, a.message_id) for a in answered] == [(c, m) for c, m, _ in messages]
    asked = [(c.context_id, r.message_id, r.has_data_set) for r, c, _ in service.asked]
    assert asked == [(c, m, d is not None) for c, m, d in messages]
    assert received == [d or b"" for _, _, d in messages]


# Words that peers say, to be put together in any order, whole and torn.
WORDS = [
    echo_command(),
    message(1, command_set(0x0FFF, message_id=1).replace(b"\x10\x01\2\0", b"\x20\x01\2\0")),
    message(1, command_set(0x8030).replace(b"\x10\x01\2\0", b"\x20\x01\2\0")),
    message(1, echo_command()),
    message(3, store_command("1.2"), b"data"),
    p_data(pdv(3, store_command("1.3"), command=True)),
    p_data(pdv(3, b"data", last=False)),
    p_data(pdv(3, b"data")),
    p_data(pdv(9, b"data")),
    p_data(),
    abort(),
    release_rq(),
    associate_rq(),
    b"\4\0\0\0\0\1",
    b"\4\0\xff\xff\xff\xff",
]
HOSTILE = st.lists(
    st.sampled_from(WORDS)
    | st.binary(max_size=60)
    | st.tuples(st.sampled_from(WORDS), st.integers(0, 60)).map(lambda torn: torn[0][: torn[1]]),
    max_size=6,
).map(b"".join)


@settings(max_examples=150)
@given(sent=HOSTILE)
def test_any_bytes_while_answers_are_sought_end_the_search(house: House, sent: bytes) -> None:
    endings: list[AssociationEnding] = []
    begun, over = [], []

    def answers(request: Request, _data_set: bytes, link: Link) -> Iterator[Message]:
        begun.append(request)
        try:
            for _ in range(3):
                if link.is_cancelled():
                    break
                yield pending(request)
            link.receive_response()
            yield final(request)
        finally:
            over.append(request)

    service = ScriptedService(answers)
    ours, theirs = socket.socketpair()
    hasty = replace(house, begin=service.begin, record=endings.append, artim_timeout_seconds=30)
    served = threading.Thread(target=Association(ours, "127.0.0.1", house=hasty).run)
    served.start()
    with theirs:
        theirs.sendall(associate_rq() + message(1, echo_command()) + sent)
        theirs.shutdown(socket.SHUT_WR)
        served.join(60)
    assert not served.is_alive()
    assert Outcome.BROKEN not in {ending.outcome for ending in endings}
    assert begun
    assert begun == over


@settings(max_examples=150)
@given(
    opening=st.sampled_from([associate_rq(), associate_rq()[:-9], b""]),
    sent=HOSTILE,
)
def test_any_bytes_end_in_an_ending(
    house: House, custodian: Custodian, opening: bytes, sent: bytes
) -> None:
    endings: list[AssociationEnding] = []
    ours, theirs = socket.socketpair()
    hasty = replace(house, record=endings.append, artim_timeout_seconds=30)
    served = threading.Thread(target=Association(ours, "127.0.0.1", house=hasty).run)
    served.start()
    with theirs:
        theirs.sendall(opening + sent)
        theirs.shutdown(socket.SHUT_WR)
        served.join(60)
    assert not served.is_alive()
    assert Outcome.BROKEN not in {ending.outcome for ending in endings}
    assert custodian.open_count == 0
