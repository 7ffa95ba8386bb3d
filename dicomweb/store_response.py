"""The Store Instances Response Module, as JSON or XML, and the status that goes with it.

Source: PS3.18 Annex I, Table 10.5.3-1.
"""

from dicomweb.links import Links
from dicomweb.negotiation import DICOM_XML, Representation
from dicomweb.private_elements import failure_text
from dicomweb.store_session import Failure, StoredReference, StoreReport
from ingestion.dicom.json_model import JsonDataSet, dumps, element
from ingestion.dicom.xml_model import to_xml


def store_status(report: StoreReport) -> int:
    """200 when all were stored, 202 when some were, 409 when none."""
    if not report.failed and not report.other_failures:
        return 200
    return 202 if report.stored else 409


def store_headers(report: StoreReport, space_slug: str, links: Links) -> dict[str, str]:
    """Where what was stored is: an instance, or a study with several (PS3.18 Table 10.5.3-2)."""
    stored = report.stored
    address = _study_address(report, space_slug, links)
    if len(stored) == 1:
        address = _instance_address(stored[0], space_slug, links)
    return {"Location": address, "Content-Location": address} if address else {}


def store_response(
    report: StoreReport, space_slug: str, *, links: Links, representation: Representation
) -> bytes:
    """The report in the representation chosen."""
    data_set = _module(report, space_slug, links)
    return to_xml(data_set) if representation is DICOM_XML else dumps(data_set)


def _module(report: StoreReport, space_slug: str, links: Links) -> JsonDataSet:
    """Table I.1-1. Sequences without items are left out, as their type 1C asks."""
    module: JsonDataSet = {"00081190": element("UR", _study_address(report, space_slug, links))}
    sequences = {
        "00081198": [
            _reference(failed.sop_class_uid, failed.sop_instance_uid) | _why(failed)
            for failed in report.failed
        ],
        "00081199": [
            _reference(stored.sop_class_uid, stored.sop_instance_uid)
            | {"00081190": element("UR", _instance_address(stored, space_slug, links))}
            for stored in report.stored
        ],
        "0008119A": [_why(failure) for failure in report.other_failures],
    }
    return module | {tag: element("SQ", *items) for tag, items in sequences.items() if items}


def _study_address(report: StoreReport, space_slug: str, links: Links) -> str | None:
    """None when there are several studies, or none."""
    studies = {stored.study_instance_uid for stored in report.stored}
    return links.study(space_slug, studies.pop()) if len(studies) == 1 else None


def _instance_address(stored: StoredReference, space_slug: str, links: Links) -> str:
    return links.instance(
        space_slug,
        stored.study_instance_uid,
        series_instance_uid=stored.series_instance_uid,
        sop_instance_uid=stored.sop_instance_uid,
    )


def _why(failure: Failure) -> JsonDataSet:
    return {"00081197": element("US", failure.reason)} | failure_text(failure.text)


def _reference(sop_class_uid: str, sop_instance_uid: str) -> JsonDataSet:
    """Table 10-11 of PS3.3."""
    return {"00081150": element("UI", sop_class_uid), "00081155": element("UI", sop_instance_uid)}
