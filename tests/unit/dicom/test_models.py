"""Small data sets are made in JSON, and any JSON data set in XML."""

import json
from xml.etree import ElementTree as ET

from pydicom.dataset import Dataset

from ingestion.dicom.json_model import dumps, element, person_name
from ingestion.dicom.xml_model import NAMESPACE, to_xml
from tests.unit.dicom.readers import FILES, scanned_json, split


def test_elements_have_a_value_only_if_there_is_one() -> None:
    assert element("UI", "1.2") == {"vr": "UI", "Value": ["1.2"]}
    assert element("LO") == {"vr": "LO"}
    assert element("LO", None) == {"vr": "LO"}
    assert element("IS", 1, None) == {"vr": "IS", "Value": [1, None]}


def test_person_names_have_their_component_groups() -> None:
    assert person_name("Doe^J=山田") == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Doe^J", "Ideographic": "山田"}],
    }
    assert person_name("") == {"vr": "PN"}


def test_documents_are_sorted_utf8_and_read_by_pydicom() -> None:
    document = dumps({"00100010": person_name("Dö^J"), "00080060": element("CS", "CT")})
    assert list(json.loads(document)) == ["00080060", "00100010"]
    dataset = Dataset.from_json(document.decode())
    assert (dataset.Modality, str(dataset.PatientName)) == ("CT", "Dö^J")


def test_the_native_model_of_a_store_response() -> None:
    item = {"00081150": element("UI", "1.2.3"), "00081197": element("US", 272)}
    root = ET.fromstring(
        to_xml(
            {
                "00081198": {"vr": "SQ", "Value": [item]},
                "00100010": person_name("Doe^Jane^^Dr"),
                "00090010": element("LO", "ACME"),
                "00091001": {"vr": "OB", "InlineBinary": "AAE="},
                "7FE00010": {"vr": "OW", "BulkDataURI": "bulkdata/7FE00010"},
                "00081030": element("LO", "a\x01b", None, "c"),
            }
        )
    )
    names = {"n": NAMESPACE}
    assert root.tag == f"{{{NAMESPACE}}}NativeDicomModel"
    reason = root.find(".//n:Item[@number='1']/n:DicomAttribute[@tag='00081197']", names)
    assert reason is not None
    assert reason.attrib == {"tag": "00081197", "vr": "US", "keyword": "FailureReason"}
    assert reason.findtext("n:Value", namespaces=names) == "272"
    assert root.findtext(".//n:Alphabetic/n:FamilyName", namespaces=names) == "Doe"
    assert root.findtext(".//n:Alphabetic/n:NamePrefix", namespaces=names) == "Dr"
    private = root.find("n:DicomAttribute[@tag='00091001']", names)
    assert private is not None
    assert private.attrib["privateCreator"] == "ACME"
    assert private.findtext("n:InlineBinary", namespaces=names) == "AAE="
    bulk = root.find(".//n:BulkData", names)
    assert bulk is not None
    assert bulk.attrib == {"uri": "bulkdata/7FE00010"}
    values = root.findall("n:DicomAttribute[@tag='00081030']/n:Value", names)
    assert [(v.get("number"), v.text) for v in values] == [("1", "ab"), ("3", "c")]


def test_xml_holds_line_ends_and_names_whole() -> None:
    comment = {"00104000": element("LT", "one\r\ntwo\rthree\n")}
    document = to_xml(comment | {"00100010": person_name("A^B^C^D^E^F")})
    assert b"one&#13;\ntwo&#13;three\n" in document
    assert ET.fromstring(document).findtext(".//{*}Value") == "one\r\ntwo\rthree\n"
    assert ET.fromstring(document).findtext(".//{*}NameSuffix") == "E^F"


def test_odd_private_creators_make_no_bad_xml() -> None:
    for creator, written in (("a\x01b", "ab"), (None, None)):
        block = {"00190010": {"vr": "LO", "Value": [creator]}}
        root = ET.fromstring(to_xml(block | {"00191001": element("LO", "x")}))
        assert root[1].get("privateCreator") == written


def test_every_file_becomes_well_formed_xml() -> None:
    for path in FILES:
        if path.name.startswith(("chr", "rt", "test-SR", "CT_", "priv", "nested")):
            if "truncated" in path.name:
                continue
            reader, transfer_syntax_uid = split(path.read_bytes())
            document = scanned_json(reader.content, transfer_syntax_uid)
            root = ET.fromstring(to_xml(document))
            assert len(root) == len(document)
