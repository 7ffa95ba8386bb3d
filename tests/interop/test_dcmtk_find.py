"""Foreign programs query us: DCMTK's findscu and pynetdicom's, in every model and character set."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from tests.builders import build_ct, new_uid, part10_bytes
from tests.dicom_peers import call
from tests.eventually import eventually
from tests.interop.conftest import Site

MODELS = {"-P": ["PATIENT", "STUDY", "SERIES", "IMAGE"], "-S": ["STUDY", "SERIES", "IMAGE"]}
MODELS["-O"] = MODELS["-P"][:2]
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
PROPOSALS = ["-x=", "-xe", "-xb", "-xi", "-xd"]
NAME = "Interop^Jérôme"


@pytest.fixture(scope="module")
def held(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    """A study of two series with three images, of a patient of its own."""
    folder = tmp_path_factory.mktemp("find")
    study, patient = new_uid(), f"P{new_uid()[-12:]}"
    series = [new_uid(), new_uid()]
    datasets = []
    for number, series_uid in enumerate([series[0], series[0], series[1]]):
        dataset = build_ct(
            study_instance_uid=study,
            series_instance_uid=series_uid,
            character_set="ISO_IR 100",
            patient_name=NAME,
        )
        dataset.PatientID = patient
        (folder / f"{number}.dcm").write_bytes(part10_bytes(dataset))
        datasets.append(dataset)
    answer = site.dcmtk("storescu", *site.peer, "+sd", str(folder))
    assert answer.returncode == 0, answer.stderr
    eventually(lambda: len(site.search(f"/studies/{study}/instances")) == 3)
    return datasets


def findscu(site: Site, *words: str) -> str:
    """What findscu told of a query that succeeded."""
    answer = site.dcmtk("findscu", "-v", *words, *site.peer)
    assert answer.returncode == 0, answer.stderr
    return answer.stderr + answer.stdout


def keys(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("-k", pair)]


def pending(text: str) -> int:
    return len(re.findall(r"Find Response: \d+ \(Pending", text))


@pytest.mark.parametrize(
    ("model", "level"), [(model, level) for model, levels in MODELS.items() for level in levels]
)
def test_every_level_of_every_model(
    site: Site, held: list[Dataset], model: str, level: str
) -> None:
    one = held[0]
    above = {
        "PATIENT": [],
        "STUDY": [f"PatientID={one.PatientID}"],
        "SERIES": [f"PatientID={one.PatientID}", f"StudyInstanceUID={one.StudyInstanceUID}"],
        "IMAGE": [
            f"PatientID={one.PatientID}",
            f"StudyInstanceUID={one.StudyInstanceUID}",
            f"SeriesInstanceUID={one.SeriesInstanceUID}",
        ],
    }[level]
    unique = {"PATIENT": f"PatientID={one.PatientID}", "SERIES": "SeriesInstanceUID"}
    unique |= {"STUDY": "StudyInstanceUID", "IMAGE": "SOPInstanceUID"}
    text = findscu(site, model, *keys(f"QueryRetrieveLevel={level}", *above, unique[level]))
    assert pending(text) == {"PATIENT": 1, "STUDY": 1, "SERIES": 2, "IMAGE": 2}[level]


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_every_proposal(site: Site, held: list[Dataset], proposal: str) -> None:
    asked = keys("QueryRetrieveLevel=STUDY", f"PatientID={held[0].PatientID}", "PatientName")
    assert pending(findscu(site, "-S", proposal, *asked)) == 1


@pytest.mark.parametrize(
    ("character_set", "encoding"), [("ISO_IR 100", "latin-1"), ("ISO_IR 192", "utf-8")]
)
def test_names_in_character_sets(
    site: Site, held: list[Dataset], tmp_path: Path, character_set: str, encoding: str
) -> None:
    asked = Dataset()
    asked.SpecificCharacterSet = character_set
    asked.QueryRetrieveLevel = "STUDY"
    asked.PatientName = NAME.upper()
    asked.PatientID = held[0].PatientID
    asked.save_as(tmp_path / "asked", implicit_vr=False, little_endian=True)
    answer = site.dcmtk(
        *("findscu", "-X", "-od", str(tmp_path), "-S"), *site.peer, str(tmp_path / "asked")
    )
    assert answer.returncode == 0, answer.stderr
    (path,) = tmp_path.glob("rsp*.dcm")
    found = dcmread(path)
    assert found.SpecificCharacterSet == character_set
    assert str(found.PatientName) == NAME
    assert NAME.encode(encoding) in path.read_bytes()


def test_a_cancelled_query_succeeds_for_its_client(site: Site, held: list[Dataset]) -> None:
    text = findscu(
        site, "-S", "--cancel", "1", *keys("QueryRetrieveLevel=STUDY", "StudyInstanceUID")
    )
    assert pending(text) >= 1
    assert findscu(site, "-S", *keys("QueryRetrieveLevel=STUDY", f"PatientID={held[0].PatientID}"))


def test_a_key_that_is_missing_is_named(site: Site, held: list[Dataset]) -> None:
    answer = site.dcmtk(
        *("findscu", "-d", "-S"), *keys("QueryRetrieveLevel=SERIES", "Modality"), *site.peer
    )
    assert "0xa900" in answer.stderr.lower()
    assert "StudyInstanceUID" in answer.stderr


@pytest.mark.parametrize("model", ["-P", "-S"])
def test_pynetdicoms_program(site: Site, held: list[Dataset], model: str) -> None:
    dimse = site.endpoints["dimse"]
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "pynetdicom", "findscu", "-v", model),
            *("-aec", dimse["ae_title"], dimse["host"], str(dimse["port"])),
            *keys("QueryRetrieveLevel=STUDY", f"PatientID={held[0].PatientID}", "StudyDate="),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "(Pending)" in answer.stderr + answer.stdout
    assert held[0].StudyDate in answer.stderr + answer.stdout


@pytest.mark.parametrize("is_relational", [False, True])
def test_extended_negotiation_of_pynetdicom(
    site: Site, held: list[Dataset], is_relational: bool
) -> None:
    """A client of pynetdicom's library proposes relational queries, or does not."""
    dimse = site.endpoints["dimse"]
    entity = AE("RELATIONAL")
    entity.add_requested_context(STUDY_ROOT)
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = UID(STUDY_ROOT)
    item.service_class_application_information = b"\1\1\1" if is_relational else b"\0\0\0"
    association = call(entity, dimse["port"], ae_title=dimse["ae_title"], ext_neg=[item])
    asked = Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    asked.PatientID = held[0].PatientID
    asked.SOPInstanceUID = ""
    statuses = [status.Status for status, _ in association.send_c_find(asked, STUDY_ROOT)]
    association.release()
    assert statuses == ([0xFF00] * 3 + [0x0000] if is_relational else [0xA900])
