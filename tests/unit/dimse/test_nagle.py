"""A sender with Nagle's algorithm is not made to wait for delayed acknowledgements.

Such a sender holds the end of each data set back until everything before is acknowledged;
Linux delays an acknowledgement by 40 ms unless told otherwise (tcp(7), TCP_QUICKACK).
"""

import socket
import statistics
import threading
import time

from ingestion.dimse.acceptor.association import Association
from ingestion.dimse.acceptor.house import House
from ingestion.dimse.listener import open_listening_socket
from tests.scripted_peer import ASSOCIATE_AC, ScriptedPeer, p_data, pdv, store_command
from tests.unit.dimse.custodian import Custodian


def test_sender_with_nagle_is_not_stalled(house: House, custodian: Custodian) -> None:
    with open_listening_socket("127.0.0.1", 0) as listening:
        peer = ScriptedPeer.connect("127.0.0.1", listening.getsockname()[1])
        connection, _ = listening.accept()
    thread = threading.Thread(target=Association(connection, "127.0.0.1", house=house).run)
    thread.start()
    with peer:
        peer.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        assert peer.associate().kind == ASSOCIATE_AC
        seconds = [_store_in_small_sends(peer, f"1.{number}") for number in range(60)]
        peer.release()
    thread.join(60)
    assert len(custodian.kept) == 60
    # The first dozen is acknowledged at once by any kernel; later ones are all delayed, or none.
    assert statistics.quantiles(seconds[20:], n=10)[0] < 0.03


def _store_in_small_sends(peer: ScriptedPeer, sop_instance_uid: str) -> float:
    started = time.monotonic()
    peer.send(p_data(pdv(3, store_command(sop_instance_uid), command=True)))
    peer.send(p_data(pdv(3, bytes(1000), last=False)))
    peer.send(p_data(pdv(3, bytes(1000))))
    assert peer.read_response().status == 0
    return time.monotonic() - started
