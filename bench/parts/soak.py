"""What thousands of associations leave behind: good ones, broken ones and ones that vanish."""

import random
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bench.archives import TINY
from bench.dimse.association import Association
from bench.dimse.encoding import (
    NO_DATA_SET,
    Command,
    Element,
    Pdu,
    Proposal,
    associate_request,
    command_set,
    pdu,
)
from bench.dimse.query_retrieve import STUDY_INSTANCE_UID, find_studies
from bench.errors import NotMeasured
from bench.figures import Cell
from bench.instances import data_set_of, instance_file, new_uid
from bench.peers.available import OURS
from bench.peers.ours import run_ours
from bench.peers.peer import LOOPBACK, Peer
from bench.processes import Holdings, holdings_of
from bench.senders.scripted_store import StoreAssociation
from bench.workshop import Workshop
from ingestion.embedded.processes import wait_until

PART = "soak"
ASSOCIATIONS, QUICK_ASSOCIATIONS = 10_000, 500
# Folders and connections are kept open for reuse, up to a limit that is reached by then.
WARM_UP_ASSOCIATIONS = 2000
FILES_GROWTH_MAX = 16.0
CLIENTS = 4
TIMEOUT_SECONDS = 30.0
REST_SECONDS_MAX = 60.0
RESIDENT_GROWTH_MEGABYTES_MAX = 20.0
DIMSE = "DIMSE service"
VERIFICATION = Proposal("1.2.840.10008.1.1", ImplicitVRLittleEndian)


def measure_soak(workshop: Workshop) -> None:
    """Visit in every way, in random order, and compare what the service holds before and after."""
    count = QUICK_ASSOCIATIONS if workshop.is_quick else ASSOCIATIONS
    task = workshop.progress.add_task(PART, total=1)
    with (
        workshop.attempt(PART),
        run_ours(workshop.fresh_folder("soak")) as run,
    ):
        (supervisor,) = run.peer.pids
        held = partial(holdings_of, supervisor, name=DIMSE)
        _visit(run.peer, WARM_UP_ASSOCIATIONS)
        before = _at_rest(held)
        seconds = _visit(run.peer, count)
        after = _at_rest(held)
        _report(workshop, count=count, seconds=seconds, before=before, after=after)
    workshop.progress.advance(task)


def _visit(peer: Peer, count: int) -> float:
    """So many associations; returns the seconds they took. Raises what a good one raises."""
    ways = [WAYS[number % len(WAYS)] for number in range(count)]
    random.Random(0).shuffle(ways)
    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for visited in [pool.submit(way, peer) for way in ways]:
            visited.result()
    return time.perf_counter() - begun


def _at_rest(held: Callable[[], Holdings]) -> Holdings:
    """What is held once two looks in a row see the same threads and files."""
    looks = [held()]

    def is_at_rest() -> bool:
        looks.append(held())
        last, now = looks[-2:]
        return (last.threads, last.files) == (now.threads, now.files)

    time.sleep(2)  # for what ends by itself after the last association
    wait_until(is_at_rest, within_seconds=REST_SECONDS_MAX)
    return looks[-1]


def _report(
    workshop: Workshop, *, count: int, seconds: float, before: Holdings, after: Holdings
) -> None:
    title = f"{count:,} associations"
    workshop.add(Cell(PART, title, "associations/s"), OURS, count / seconds)
    for name, unit, first, last, growth_max in (
        ("threads", "threads", before.threads, after.threads, 0.0),
        ("open files", "files", before.files, after.files, FILES_GROWTH_MAX),
        ("memory", "MB", before.megabytes, after.megabytes, RESIDENT_GROWTH_MEGABYTES_MAX),
    ):
        workshop.add(Cell(PART, f"{title}: {name} before", unit), OURS, first)
        goals = ((OURS, growth_max),)
        workshop.add(Cell(PART, f"{title}: {name} more after", unit, goals), OURS, last - first)


def _echo(peer: Peer) -> None:
    with Association(peer, [VERIFICATION]) as association:
        elements: dict[int, int | str] = {
            Element.AFFECTED_SOP_CLASS_UID: VERIFICATION.abstract_syntax,
            Element.COMMAND_FIELD: Command.ECHO_RQ,
            Element.MESSAGE_ID: association.next_message_id(),
            Element.DATA_SET_TYPE: NO_DATA_SET,
        }
        association.send(1, command_set(elements))
        if status := association.receive().number(Element.STATUS):
            raise NotMeasured(f"C-ECHO was answered 0x{status:04X}")


def _store(peer: Peer) -> None:
    instance = new_uid()
    file = instance_file(TINY, study=new_uid(), series=new_uid(), instance=instance)
    with StoreAssociation(
        peer, sop_class_uid=CTImageStorage, transfer_syntax_uid=ExplicitVRLittleEndian
    ) as association:
        if status := association.store(instance, [data_set_of(file)]):
            raise NotMeasured(f"C-STORE was answered 0x{status:04X}")


def _find_nothing(peer: Peer) -> None:
    find_studies(peer, {STUDY_INSTANCE_UID: new_uid()})


def _send_and_leave(peer: Peer, *pieces: bytes, answers: int = 0) -> None:
    """Send, take the beginning of so many answers, and close without a word."""
    with socket.create_connection((LOOPBACK, peer.dimse_port), TIMEOUT_SECONDS) as connection:
        for piece in pieces:
            connection.sendall(piece)
        for _ in range(answers):
            connection.recv(4096)


def _vanish(peer: Peer) -> None:
    _send_and_leave(peer, associate_request(peer.ae_title, [VERIFICATION]), answers=1)


def _abort(peer: Peer) -> None:
    request = associate_request(peer.ae_title, [VERIFICATION])
    _send_and_leave(peer, request, pdu(Pdu.ABORT, bytes(4)), answers=1)


def _call_nobody(peer: Peer) -> None:
    _send_and_leave(peer, associate_request("NOBODY", [VERIFICATION]), answers=1)


def _leave_halfway(peer: Peer) -> None:
    _send_and_leave(peer, associate_request(peer.ae_title, [VERIFICATION])[:100])


def _speak_http(peer: Peer) -> None:
    _send_and_leave(peer, b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n", answers=1)


WAYS: tuple[Callable[[Peer], None], ...] = (
    _echo,
    _store,
    _find_nothing,
    _vanish,
    _abort,
    _call_nobody,
    _leave_halfway,
    _speak_http,
    _send_and_leave,  # nothing
)
