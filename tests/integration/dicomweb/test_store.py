"""STOW-RS through the views: what is stored, what is answered (PS3.18 10.5, Annex I)."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pytest_django import Settings

from ingestion.models import DuplicatePolicy, Instance, Outcome, Receipt, StorageSpace
from tests.builders import build_ct, new_uid, part10_bytes
from tests.integration.dicomweb.paths import instance_path
from tests.integration.dicomweb.web_client import (
    BOUNDARY,
    STOW_TYPE,
    WebClient,
    make_token,
    multipart,
    value,
)

NATIVE_MODEL = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def uids(items: list[dict[str, Any]]) -> list[str]:
    return [value(item, "00081155") for item in items]


def reasons(items: list[dict[str, Any]]) -> list[int]:
    return [value(item, "00081197") for item in items]


def test_all_parts_stored_is_200_with_a_reference_for_each(web: WebClient) -> None:
    study = new_uid()
    first, second = build_ct(study_instance_uid=study), build_ct(study_instance_uid=study)
    response = web.post(multipart(part10_bytes(first), part10_bytes(second)))
    assert response.status_code == 200
    assert response["Content-Type"] == "application/dicom+json"
    module = json.loads(response.content)
    assert "00081198" not in module
    assert "0008119A" not in module
    assert uids(module["00081199"]["Value"]) == [first.SOPInstanceUID, second.SOPInstanceUID]
    assert value(module, "00081190").endswith(f"/dicomweb/spaces/main/studies/{study}")
    assert response["Location"] == response["Content-Location"] == value(module, "00081190")
    item = module["00081199"]["Value"][0]
    assert value(item, "00081150") == first.SOPClassUID
    assert value(item, "00081190").endswith(
        f"/studies/{study}/series/{first.SeriesInstanceUID}/instances/{first.SOPInstanceUID}"
    )


def test_what_was_stored_is_found_at_once_and_its_sender_is_kept(web: WebClient) -> None:
    dataset = build_ct()
    web.store(dataset)
    assert Instance.objects.get().sop_instance_uid == dataset.SOPInstanceUID
    receipt = Receipt.objects.get()
    assert receipt.outcome == Outcome.REGISTERED
    assert receipt.sender_kind == "stow"
    assert receipt.principal
    assert receipt.conversation_id


def test_instances_of_several_studies_have_no_common_address(web: WebClient) -> None:
    response = web.post(multipart(part10_bytes(build_ct()), part10_bytes(build_ct())))
    assert json.loads(response.content)["00081190"] == {"vr": "UR"}
    assert not response.has_header("Location")


def test_a_single_instance_is_told_where_it_is(web: WebClient) -> None:
    dataset = build_ct()
    response = web.post(multipart(part10_bytes(dataset)))
    assert response["Location"].endswith(f"/dicomweb/spaces/main{instance_path(dataset)[9:]}")
    assert response["Content-Location"] == response["Location"]


def test_a_bad_part_never_fails_its_neighbours(web: WebClient) -> None:
    good, corrupt = build_ct(), build_ct()
    cut = part10_bytes(corrupt)[:-20]
    response = web.post(multipart(part10_bytes(good), cut, b"this is no DICOM" * 20))
    assert response.status_code == 202
    module = json.loads(response.content)
    assert uids(module["00081199"]["Value"]) == [good.SOPInstanceUID]
    assert uids(module["00081198"]["Value"]) == [corrupt.SOPInstanceUID]
    assert reasons(module["00081198"]["Value"]) == [0xC000]
    assert reasons(module["0008119A"]["Value"]) == [0xC000]


def test_no_part_stored_is_409(web: WebClient) -> None:
    response = web.post(multipart(b"nothing" * 50, b""))
    assert response.status_code == 409
    assert "00081199" not in json.loads(response.content)


def test_another_study_than_addressed_is_refused_by_instance(web: WebClient) -> None:
    study = new_uid()
    mine, foreign = build_ct(study_instance_uid=study), build_ct()
    response = web.post(
        multipart(part10_bytes(mine), part10_bytes(foreign)), path=f"/dicomweb/studies/{study}"
    )
    assert response.status_code == 202
    module = json.loads(response.content)
    assert uids(module["00081199"]["Value"]) == [mine.SOPInstanceUID]
    assert uids(module["00081198"]["Value"]) == [foreign.SOPInstanceUID]
    assert reasons(module["00081198"]["Value"]) == [0xA900]
    assert Instance.objects.count() == 1


def test_a_part_of_another_type_fails_alone(web: WebClient) -> None:
    body = multipart(part10_bytes(build_ct())).removesuffix(f"--{BOUNDARY}--\r\n".encode())
    response = web.post(body + multipart(b"<xml/>", content_type="text/xml"))
    assert response.status_code == 202


@pytest.mark.parametrize(
    "content_type",
    [
        f"multipart/related; boundary={BOUNDARY}",
        f"multipart/related; type=application/dicom; boundary={BOUNDARY}",
        f"Multipart/Related;TYPE=application/dicom;BOUNDARY={BOUNDARY}",
        f'multipart/related; boundary="{BOUNDARY}"; type="application/dicom"; transfer-syntax=*',
    ],
)
def test_types_are_taken_as_clients_write_them(web: WebClient, content_type: str) -> None:
    body = multipart(part10_bytes(build_ct()))
    assert web.post(body, content_type=content_type).status_code == 200


def test_part_types_may_name_their_transfer_syntax(web: WebClient) -> None:
    syntax = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    body = multipart(part10_bytes(build_ct()), content_type=syntax)
    assert web.post(b"\r\n" + body).status_code == 200


def test_one_file_without_multipart_is_stored(web: WebClient) -> None:
    response = web.post(part10_bytes(build_ct()), content_type="application/dicom")
    assert response.status_code == 200
    assert Instance.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", STOW_TYPE, 400),
        (f"--{BOUNDARY}--\r\n".encode(), STOW_TYPE, 400),
        (b"", "application/dicom", 400),
        (multipart(b"x"), "multipart/related; boundary=other", 400),
        (multipart(b"x"), "multipart/related", 400),
        (multipart(b"x"), f"multipart/related; boundary={'x' * 71}", 400),
        (b"--b\r\nA: b", "multipart/related; boundary=b", 400),
        (b"{}", "application/json", 415),
        (b"", "", 415),
        (multipart(b"x"), f'multipart/related; type="image/jpeg"; boundary={BOUNDARY}', 415),
        (multipart(b"x"), f"multipart/form-data; boundary={BOUNDARY}", 415),
        (b"--b--" + b"x" * 20, "multipart/related; boundary=b", 400),
    ],
)
def test_what_is_no_store_request_is_refused(
    web: WebClient, body: bytes, content_type: str, status: int
) -> None:
    response = web.post(body, content_type=content_type)
    assert response.status_code == status
    assert set(json.loads(response.content)) == {"code", "detail"}


def test_parts_before_a_broken_one_are_kept(web: WebClient) -> None:
    body = multipart(part10_bytes(build_ct())).removesuffix(f"--{BOUNDARY}--\r\n".encode())
    response = web.post(body + f"--{BOUNDARY}\r\nno colon\r\n\r\n".encode())
    assert response.status_code == 400
    assert "1 complete part" in json.loads(response.content)["detail"]
    assert Instance.objects.count() == 1


def test_xml_is_answered_when_accepted(web: WebClient) -> None:
    dataset = build_ct()
    response = web.post(
        multipart(part10_bytes(dataset), b"bad" * 99), headers={"Accept": "application/dicom+xml"}
    )
    assert response["Content-Type"] == "application/dicom+xml"
    root = ET.fromstring(response.content)
    texts = [item.text for item in root.iter(f"{NATIVE_MODEL}Value")] or [
        item.text for item in root.iter("Value")
    ]
    assert dataset.SOPInstanceUID in texts


def test_an_answer_nobody_can_make_is_406_and_stores_nothing(web: WebClient) -> None:
    response = web.post(multipart(part10_bytes(build_ct())), headers={"Accept": "text/html"})
    assert response.status_code == 406
    assert not Instance.objects.exists()


def test_repeated_store_of_same_bytes_is_success(web: WebClient) -> None:
    dataset = build_ct()
    web.store(dataset)
    web.store(dataset)
    assert Instance.objects.count() == 1
    assert Receipt.objects.filter(outcome=Outcome.DUPLICATE).count() == 1


@pytest.mark.parametrize("policy", [DuplicatePolicy.KEEP_FIRST, DuplicatePolicy.QUARANTINE])
def test_other_bytes_that_the_policy_turns_away_are_a_failure(
    web: WebClient, space: StorageSpace, policy: DuplicatePolicy
) -> None:
    space.duplicate_policy = policy
    space.save()
    first = build_ct()
    web.store(first)
    first.SeriesDescription = "Another"
    response = web.post(multipart(part10_bytes(first)))
    assert response.status_code == 409
    assert reasons(json.loads(response.content)["00081198"]["Value"]) == [0x0111]


def test_an_instance_held_in_another_study_is_a_failure(web: WebClient) -> None:
    first = build_ct()
    web.store(first)
    second = build_ct(sop_instance_uid=first.SOPInstanceUID)
    response = web.post(multipart(part10_bytes(second), part10_bytes(build_ct())))
    assert response.status_code == 202
    (failed,) = json.loads(response.content)["00081198"]["Value"]
    assert value(failed, "00081155") == first.SOPInstanceUID
    assert value(failed, "00081197") == 0x0111
    assert value(failed, "00090010") == "IMAGING INGESTION"
    assert "another study" in value(failed, "00091002")


def test_other_bytes_replace_by_default(web: WebClient) -> None:
    first = build_ct()
    web.store(first)
    first.SeriesDescription = "Another"
    web.store(first)
    assert Receipt.objects.filter(outcome=Outcome.MODIFIED).count() == 1


def test_a_path_that_names_no_study_is_400(web: WebClient) -> None:
    response = web.post(multipart(part10_bytes(build_ct())), path="/dicomweb/studies/not-a-uid")
    assert response.status_code == 400


def test_more_parts_than_settle_together_are_all_stored(web: WebClient) -> None:
    study, series = new_uid(), new_uid()
    datasets = [build_ct(study_instance_uid=study, series_instance_uid=series) for _ in range(205)]
    web.store(*datasets)
    assert Instance.objects.count() == 205


def test_a_store_that_cannot_write_is_503_and_nothing_is_acknowledged(
    web: WebClient, tmp_path: Path
) -> None:
    good, blocked = build_ct(), build_ct()
    (tmp_path / "main").mkdir(exist_ok=True)
    (tmp_path / "main" / blocked.StudyInstanceUID).write_text("a file where a folder must be")
    response = web.post(multipart(part10_bytes(good), part10_bytes(blocked)))
    assert response.status_code == 503
    assert response["Retry-After"]
    assert not Receipt.objects.exists()
    (tmp_path / "main" / blocked.StudyInstanceUID).unlink()
    web.store(good, blocked)


def test_a_full_spool_is_503(web: WebClient, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"spool_free_bytes_min": 1 << 60})
    response = web.post(multipart(part10_bytes(build_ct())))
    assert response.status_code == 503
    assert json.loads(response.content)["code"] == "out-of-space"


@pytest.mark.parametrize(
    ("limit", "status"),
    [("request_bytes_max", 413), ("parts_max", 413), ("instance_bytes_max", 202)],
)
def test_each_limit_says_that_it_was_hit(
    web: WebClient, settings: Settings, limit: str, status: int
) -> None:
    small, large = build_ct(rows=2, columns=2), build_ct(rows=200, columns=200)
    values = {"parts_max": 1, "request_bytes_max": 20_000, "instance_bytes_max": 20_000}
    settings.LIMITS = settings.LIMITS.model_copy(update={limit: values[limit]})
    response = web.post(multipart(part10_bytes(small), part10_bytes(large)))
    assert response.status_code == status
    assert status == 202 or limit in json.loads(response.content)["detail"]
    assert Instance.objects.count() == (0 if limit == "request_bytes_max" else 1)


def test_a_space_that_takes_nothing_new_is_403(web: WebClient, space: StorageSpace) -> None:
    space.accepts_new_objects = False
    space.save()
    assert web.post(multipart(part10_bytes(build_ct()))).status_code == 403


# `/dicomweb/studies` and the original's `/stow-rs/studies` name no space.


def test_at_the_root_the_only_space_is_meant(web: WebClient) -> None:
    web.store(build_ct(), path="/stow-rs/studies")
    assert Instance.objects.get().storage_space.slug == "main"


def test_at_the_root_the_token_with_one_space_means_it(
    space: StorageSpace, other_space: StorageSpace
) -> None:
    web = WebClient(make_token(may_store=True, spaces=[other_space]))
    web.store(build_ct())
    assert Instance.objects.get().storage_space == other_space


def test_at_the_root_several_spaces_must_be_told_apart(
    web: WebClient, other_space: StorageSpace
) -> None:
    response = web.post(multipart(part10_bytes(build_ct())))
    assert response.status_code == 400
    assert "/dicomweb/spaces/" in json.loads(response.content)["detail"]


def test_at_the_root_the_one_called_default_is_meant_among_several(
    web: WebClient, other_space: StorageSpace
) -> None:
    other_space.slug = "default"
    other_space.save()
    web.store(build_ct())
    assert Instance.objects.get().storage_space == other_space


def test_at_the_root_a_named_space_is_meant(web: WebClient, other_space: StorageSpace) -> None:
    web.store(build_ct(), path="/dicomweb/spaces/other/studies")
    assert Instance.objects.get().storage_space == other_space
