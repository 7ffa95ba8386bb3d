"""Requests with many answers over TLS, where input may wait inside OpenSSL. Source: PS3.15 B.12."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ingestion.dimse.acceptor.association import Association
from ingestion.dimse.acceptor.house import House
from ingestion.dimse.journal.association_end import AssociationEnding
from ingestion.dimse.protocol.commands import Request
from ingestion.dimse.services.operations import Link, Message
from tests.scripted_peer import (
    CANCEL_RQ,
    FIND_RQ,
    IMPLICIT_LITTLE,
    ScriptedPeer,
    command_set,
    element,
    elements,
    p_data,
    pdv,
)
from tests.unit.dimse.scripted_service import ScriptedService, final, pending
from tests.unit.dimse.secure_pair import secure_pair

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
FIND = command_set(FIND_RQ, message_id=7, sop_class_uid=STUDY_ROOT_FIND, data_set_type=0)
CONTENT = bytes(range(256)) * 4000  # more than a TLS record, and than the reader's buffer


def until_cancelled(request: Request, data_set: bytes, link: Link) -> Iterator[Message]:
    """Matches without an end."""
    while not link.is_cancelled():
        yield pending(request, data_set)
    yield final(request, 0xFE00)


def cancel() -> bytes:
    values = elements(command_set(CANCEL_RQ))
    rest = b"".join(
        element(number, value)
        for number, value in ((0x0100, values[0x0100]), (0x0120, b"\7\0"), (0x0800, values[0x0800]))
    )
    return element(0, len(rest).to_bytes(4, "little")) + rest


def test_answers_and_cancel_pass_through_tls(house: House, tmp_path: Path) -> None:
    endings: list[AssociationEnding] = []
    ours, theirs = secure_pair(tmp_path)
    service = ScriptedService(until_cancelled)
    open_house = replace(
        house, begin=service.begin, record=endings.append, identifier_bytes_max=len(CONTENT)
    )
    served = threading.Thread(target=Association(ours, "127.0.0.1", house=open_house).run)
    served.start()
    with ScriptedPeer(theirs) as peer:
        peer.associate([(1, STUDY_ROOT_FIND, [IMPLICIT_LITTLE])])
        peer.send(p_data(pdv(1, FIND, command=True)))
        for start in range(0, len(CONTENT), 32_000):
            fragment = CONTENT[start : start + 32_000]
            peer.send(p_data(pdv(1, fragment, last=start + 32_000 >= len(CONTENT))))
        response, data_set = peer.read_message()
        assert (response.status, data_set) == (0xFF00, CONTENT)
        peer.send(p_data(pdv(1, cancel(), command=True)))
        while (status := peer.read_message()[0].status) == 0xFF00:
            pass
        assert status == 0xFE00
        # Request and cancel in one TLS record: the latter waits where no poll can see it.
        peer.send(
            p_data(pdv(1, FIND, command=True), pdv(1, b"?")), p_data(pdv(1, cancel(), command=True))
        )
        assert peer.read_message()[0].status == 0xFE00
        peer.release()
    served.join(60)
    assert not served.is_alive()
    assert [(ending.outcome, ending.is_encrypted) for ending in endings] == [("released", True)]
