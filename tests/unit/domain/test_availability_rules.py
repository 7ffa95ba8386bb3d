"""Notifications against PS3.4 Table R.3.2-1, which is restated here."""

import pytest

from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.domain.availability_rules import announced
from ingestion.errors import OperationRefused
from tests.procedure_steps import notification

LEVELS = {  # every attribute of type 1, by level
    "notification": ("0020000D", "00081115"),
    "series": ("0020000E", "00081199"),
    "instance": ("00081150", "00081155", "00080056", "00080054"),
}


def level_of(data_set: JsonDataSet, level: str) -> JsonDataSet:
    series: JsonDataSet = data_set["00081115"]["Value"][0]
    instance: JsonDataSet = series["00081199"]["Value"][0]
    return {"notification": data_set, "series": series, "instance": instance}[level]


def test_what_is_unavailable_is_not_waited_for() -> None:
    told = announced(notification("ONLINE", "UNAVAILABLE", "NEARLINE", "OFFLINE"))
    assert told.study_instance_uid == "1.2.3"
    assert told.sop_instance_uids == ("1.2.3.1", "1.2.3.3", "1.2.3.4")


@pytest.mark.parametrize(("level", "tag"), [(key, tag) for key in LEVELS for tag in LEVELS[key]])
def test_every_attribute_of_type_1_is_asked_for(level: str, tag: str) -> None:
    lacking, empty = notification("ONLINE"), notification("ONLINE")
    del level_of(lacking, level)[tag]
    level_of(empty, level)[tag] = element("UI")
    for data_set, status in ((lacking, 0x0120), (empty, 0x0121)):
        with pytest.raises(OperationRefused) as refused:
            announced(data_set)
        assert (refused.value.status, refused.value.tags) == (status, (tag,))


def test_uids_must_be_uids() -> None:
    data_set = notification("ONLINE")
    data_set["0020000D"] = element("UI", "study 1")
    with pytest.raises(OperationRefused) as refused:
        announced(data_set)
    assert refused.value.status == 0x0106
