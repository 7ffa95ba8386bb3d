"""Names of objects cannot leave their folder and differ when the bytes do."""

import hashlib

import pytest

from ingestion.domain.storage_keys import object_key, sop_instance_uid_at


def key(sop: str = "1.2.3", content: bytes = b"") -> str:
    return object_key(
        study_instance_uid="1.2",
        series_instance_uid="1.3",
        sop_instance_uid=sop,
        data_set_sha256=hashlib.sha256(content).digest(),
    )


def test_key_is_study_series_instance_and_hash() -> None:
    assert key() == "1.2/1.3/1.2.3.e3b0c44298fc1c14.dcm"


def test_other_bytes_have_another_key() -> None:
    assert key(content=b"a") != key(content=b"b")


@pytest.mark.parametrize("sop", ["", ".", "..", "../1", "1/2", "1..2", "a", "1" * 65, "1\n"])
def test_what_is_no_uid_becomes_no_name(sop: str) -> None:
    with pytest.raises(AssertionError):
        key(sop)


@pytest.mark.parametrize("prefix", ["", "hospital/", "a/1.2/"])
@pytest.mark.parametrize("mark", ["", "~2", "~0f1e2d3c4b5a6978", "~0f1e2d3c4b5a6978~3"])
def test_location_tells_whose_object_it_is(prefix: str, mark: str) -> None:
    location = prefix + key("1.2.840.7").replace(".dcm", f"{mark}.dcm")
    assert sop_instance_uid_at(location) == "1.2.840.7"


@pytest.mark.parametrize(
    "location", ["", "1.2/1.3/notes.dcm", "1.3/1.2.e3b0c44298fc1c14.dcm", "1/2/3.e3b0.dcm", "a.txt"]
)
def test_what_was_not_put_by_us_is_nobodys(location: str) -> None:
    assert sop_instance_uid_at(location) is None
