"""WADO-RS: whole studies, the metadata of a large series, single frames of a long instance."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.archives import FRAMES, LargeStudy, write_large_study, write_many_frames
from bench.curl import Fetched, fetch
from bench.figures import BANDWIDTH, REQUESTS, Cell
from bench.instances import BIG, SMALL, InstanceSet
from bench.peers.available import ORTHANC_POSTGRESQL, durable_peers
from bench.peers.peer import Peer
from bench.senders.stow import send_with_stow
from bench.turns import take_turns
from bench.workshop import Workshop, settle_the_disk

PART = "read"
BIG_INSTANCES, MANY_INSTANCES = 100, 1000
DICOM_FILES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
DICOM_JSON = "application/dicom+json"
FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


@dataclass(frozen=True, slots=True)
class Archive:
    """What every peer is given before it is read from."""

    big: LargeStudy
    many: LargeStudy
    frames_path: str
    frames: InstanceSet

    def sets(self) -> Iterator[InstanceSet]:
        """Everything to store."""
        yield from (self.big.instances, self.many.instances, self.frames)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way of reading: these paths by so many clients."""

    cell: Cell
    paths: tuple[str, ...]
    accept: str
    clients: int = 1

    def result(self, fetched: Fetched) -> float:
        """The figure in the cell's unit."""
        if self.cell.unit == BANDWIDTH:
            return fetched.megabytes_per_second
        return fetched.requests_per_second


def measure_read(workshop: Workshop) -> None:
    """Fill each peer, then read from it in every way, round by round, in turns."""
    archive = _archive(workshop)

    def measure(peer: Peer) -> None:
        _fill(peer, archive)
        for reading in _readings(archive, is_quick=workshop.is_quick):
            with workshop.attempt(f"{PART}, {reading.cell.name}, {peer.name}"):
                workshop.add(reading.cell, peer.name, _measured(reading, peer))

    take_turns(workshop, PART, peers=durable_peers(), measure=measure)


def _archive(workshop: Workshop) -> Archive:
    folder = workshop.fresh_folder("archive")
    path, frames = write_many_frames(folder / "frames")
    return Archive(
        big=write_large_study(folder / "big", BIG, count=BIG_INSTANCES),
        many=write_large_study(folder / "many", SMALL, count=MANY_INSTANCES),
        frames_path=path,
        frames=frames,
    )


def _fill(peer: Peer, archive: Archive) -> None:
    for instances in archive.sets():
        sent = send_with_stow(instances, peer, clients=1, instances_per_request=25)
        assert sent.acknowledged == instances.count
    settle_the_disk()


def _measured(reading: Reading, peer: Peer) -> float:
    """After a warm-up: pages of the file and of the database are in memory for all alike."""
    fetch(peer, reading.paths[:2], accept=reading.accept)
    return reading.result(
        fetch(peer, reading.paths, accept=reading.accept, clients=reading.clients)
    )


def _readings(archive: Archive, *, is_quick: bool) -> Iterator[Reading]:
    repeats = 3 if is_quick else 20
    study = f"/studies/{archive.big.study_instance_uid}"
    for clients in (1, 4):
        name = f"study of {BIG_INSTANCES} × {BIG.name}, {clients} client{'s' * (clients > 1)}"
        cell = Cell(PART, name, BANDWIDTH, ((ORTHANC_POSTGRESQL, 1.5),))
        yield Reading(cell, (study,) * repeats, DICOM_FILES, clients)
    metadata = f"/studies/{archive.many.study_instance_uid}/metadata"
    cell = Cell(PART, f"metadata of {MANY_INSTANCES}", REQUESTS, ((ORTHANC_POSTGRESQL, 20.0),))
    yield Reading(cell, (metadata,) * repeats, DICOM_JSON)
    frames = tuple(
        f"{archive.frames_path}/frames/{1 + number * 37 % FRAMES}" for number in range(repeats * 10)
    )
    yield Reading(Cell(PART, f"a frame of {FRAMES}", REQUESTS), frames, FRAME)
