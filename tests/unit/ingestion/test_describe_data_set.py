"""Large headers are read a few at a time, small ones never wait for them."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import zstandard
from pydicom.uid import ExplicitVRLittleEndian

from ingestion.errors import ObjectTooComplex
from ingestion.use_cases.describe_data_set import (
    LARGE_HEADERS_AT_ONCE,
    SMALL_HEADER_BYTES,
    describe_data_set,
)
from tests.builders import build_ct, data_set_bytes
from tests.eventually import eventually
from tests.unit.dicom.readers import BytesReader

LONG_TEXT = "x" * 600_000  # longer ones are bulk data
TEXT_TAGS = (0x00091001, 0x00091002, 0x00091003, 0x00091004)
LARGE = data_set_bytes(
    build_ct(extra=[(0x00090010, "LO", "TESTS"), *((tag, "UT", LONG_TEXT) for tag in TEXT_TAGS)])
)
SMALL = data_set_bytes(build_ct())


class Gate:
    """Holds up whoever reads beyond a small header, and counts them."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = self.inside_max = 0
        self._lock = threading.Lock()

    def pass_through(self) -> None:
        with self._lock:
            self.inside += 1
            self.inside_max = max(self.inside_max, self.inside)
        self.open.wait(60)
        with self._lock:
            self.inside -= 1


class GatedReader(BytesReader):
    def __init__(self, content: bytes, gate: Gate) -> None:
        super().__init__(content)
        self._gate = gate

    def read_at(self, offset: int, length: int) -> bytes:
        if offset > SMALL_HEADER_BYTES:
            self._gate.pass_through()
        return super().read_at(offset, length)


def test_large_headers_take_turns_and_small_ones_pass() -> None:
    gate = Gate()
    with ThreadPoolExecutor(6) as pool:
        reading = [
            pool.submit(describe_data_set, GatedReader(LARGE, gate), ExplicitVRLittleEndian)
            for _ in range(5)
        ]
        eventually(lambda: gate.inside == LARGE_HEADERS_AT_ONCE)
        small = pool.submit(describe_data_set, BytesReader(SMALL), ExplicitVRLittleEndian)
        assert small.result(10).attributes.modality == "CT"
        gate.open.set()
        described = [one.result(10) for one in reading]
    assert gate.inside_max == LARGE_HEADERS_AT_ONCE
    for one in described:
        document = json.loads(zstandard.decompress(one.document))
        assert [document[f"{tag:08X}"]["Value"] for tag in TEXT_TAGS] == [[LONG_TEXT]] * 4


def test_turn_is_given_back_by_what_is_refused(settings: Any) -> None:
    """More of them than there are turns."""
    settings.LIMITS = settings.LIMITS.model_copy(update={"header_bytes_max": SMALL_HEADER_BYTES})
    for _ in range(LARGE_HEADERS_AT_ONCE + 1):
        with pytest.raises(ObjectTooComplex, match="header exceeds"):
            describe_data_set(BytesReader(LARGE), ExplicitVRLittleEndian)
    settings.LIMITS = settings.LIMITS.model_copy(update={"header_bytes_max": 1 << 25})
    assert describe_data_set(BytesReader(LARGE), ExplicitVRLittleEndian).document
