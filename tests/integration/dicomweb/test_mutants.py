"""Damaged files are refused, or stored and then fit for every resource: never a fault of ours."""

import random
from collections import Counter

import pytest
from django.db import transaction

from tests.builders import build_ct, part10_bytes
from tests.integration.dicomweb.mutants import (
    STATUSES,
    damaged_text,
    mutant,
    originals,
    resources,
    visit,
)
from tests.integration.dicomweb.store_requests import (
    ENCAPSULATED_PDF,
    JSON_TYPE,
    XML_TYPE,
    RawPart,
    body,
    bulk,
    ct_metadata,
    jpeg,
    json_part,
    metadata,
    xml_part,
)
from tests.integration.dicomweb.web_client import STOW_TYPE, WebClient, multipart

MUTANTS = 60
VISITS = 12


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of broken files
@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_refused_or_served(
    web: WebClient, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    chance = random.Random(seed)
    files = originals()
    stored: Counter[int] = Counter()
    for number in range(MUTANTS):
        damaged = mutant(chance.choice(files), chance)
        stored[store_and_visit(web, damaged, "application/dicom", chance=chance, name=number)] += 1
    assert set(stored) <= {200, 202, 409}
    assert stored[200] > MUTANTS / 5, "most mutants are refused, and nothing is shown"
    assert not failures(caplog)


def store_requests() -> list[tuple[bytes, str]]:
    """Valid requests of every form, with their types."""
    document, _, pixels = ct_metadata("../pixels")
    compressed = metadata(x7FE00010=bulk("pixels", "OB"), x00280004=None)
    film = metadata(ENCAPSULATED_PDF, x00420011=bulk("pdf"), x00081140=None)
    files = [part10_bytes(build_ct()) for _ in range(2)]
    return [
        (multipart(*files), STOW_TYPE),
        (body(json_part(document), RawPart(pixels, location="../pixels")), JSON_TYPE),
        (body(xml_part(document), RawPart(pixels, location="../pixels")), XML_TYPE),
        (body(json_part(compressed), RawPart(jpeg(), "image/jpeg", "pixels")), JSON_TYPE),
        (body(xml_part(film), RawPart(b"%PDF-1.4", "application/pdf", "pdf")), XML_TYPE),
    ]


def test_undamaged_requests_are_stored(web: WebClient) -> None:
    for whole, content_type in store_requests():
        response = web.post(whole, content_type=content_type)
        assert response.status_code == 200, response.content


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of broken files
@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_request_is_refused_or_its_instances_are_served(
    web: WebClient, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    chance = random.Random(seed)
    requests = store_requests()
    for number in range(MUTANTS):
        whole, content_type = chance.choice(requests)
        damaged = damaged_text(whole, chance)
        status = store_and_visit(web, damaged, content_type, chance=chance, name=number)
        assert status in {200, 202, 400, 409, 413, 415}
    assert not failures(caplog)


def store_and_visit(
    web: WebClient, sent: bytes, content_type: str, *, chance: random.Random, name: int
) -> int:
    """The status of the store request; some resources of what came in are read."""
    with transaction.atomic():
        status = int(web.post(sent, content_type=content_type).status_code)
        for found in web.json("/dicomweb/instances?limit=1"):
            for path, accept in chance.sample(resources(found), VISITS):
                given = visit(web, path, accept)
                assert given in STATUSES, f"mutant {name}: {given} of {path}, {accept}"
        transaction.set_rollback(True)
    return status


def failures(caplog: pytest.LogCaptureFixture) -> list[object]:
    """Tracebacks. pydicom's own, of what it cannot decode, go nowhere in production."""
    ours = [record for record in caplog.records if not record.name.startswith("pydicom")]
    return [record.exc_info for record in ours if record.exc_info]
