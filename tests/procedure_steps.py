"""Builds procedure steps and notifications as modalities send them, as DICOM JSON."""

from typing import Any

from ingestion.dicom.json_model import JsonDataSet, element, person_name

Changes = dict[str, dict[str, Any] | None]

STUDY = "1.2.3"
STEP = "1.2.826.0.1.3680043.8.498.5"


def begun(changes: Changes | None = None, *, study: str = STUDY) -> JsonDataSet:
    """What an N-CREATE brings. `changes` are by tag; None leaves an attribute out."""
    scheduled = {
        "0020000D": element("UI", study),
        "00081110": element("SQ"),
        "00080050": element("SH", "A1"),
        "00401001": element("SH", "RP1"),
        "00400009": element("SH", "SPS1"),
    }
    step = {
        "00080005": element("CS", "ISO_IR 100"),
        "00400270": element("SQ", scheduled),
        "00100010": person_name("DOE^JANE"),
        "00100020": element("LO", "P1"),
        "00400253": element("SH", "PPS1"),
        "00400241": element("AE", "CT1"),
        "00400244": element("DA", "20240131"),
        "00400245": element("TM", "1015"),
        "00400252": element("CS", "IN PROGRESS"),
        "00400254": element("LO", "Chest"),
        "00400250": element("DA"),
        "00400251": element("TM"),
        "00080060": element("CS", "CT"),
        "00400340": element("SQ"),
    }
    return _changed(step, changes)


def ended(
    *sop_instance_uids: str, status: str = "COMPLETED", changes: Changes | None = None
) -> JsonDataSet:
    """What the last N-SET brings: one series with these images."""
    images = [
        {
            "00081150": element("UI", "1.2.840.10008.5.1.4.1.1.2"),
            "00081155": element("UI", uid),
        }
        for uid in sop_instance_uids
    ]
    series = {
        "00081050": element("PN"),
        "00181030": element("LO", "Routine"),
        "0020000E": element("UI", "1.2.3.1"),
        "00081140": element("SQ", *images),
        "00400220": element("SQ"),
    }
    changed = {
        "00400252": element("CS", status),
        "00400250": element("DA", "20240131"),
        "00400251": element("TM", "1030"),
        "00400340": element("SQ", series),
    }
    return _changed(changed, changes)


def notification(*availabilities: str) -> JsonDataSet:
    """An Instance Availability Notification of instances 1.2.3.1, 1.2.3.2, …"""
    instances = [
        {
            "00081150": element("UI", "1.2.840.10008.5.1.4.1.1.2"),
            "00081155": element("UI", f"1.2.3.{number}"),
            "00080056": element("CS", availability),
            "00080054": element("AE", "PACS"),
        }
        for number, availability in enumerate(availabilities, 1)
    ]
    series = {"0020000E": element("UI", "1.2.3.0"), "00081199": element("SQ", *instances)}
    return {
        "00081111": element("SQ"),
        "0020000D": element("UI", "1.2.3"),
        "00081115": element("SQ", series),
    }


def _changed(data_set: JsonDataSet, changes: Changes | None) -> JsonDataSet:
    merged = data_set | (changes or {})
    return {tag: item for tag, item in merged.items() if item is not None}
