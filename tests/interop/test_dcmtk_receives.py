"""DCMTK's storescp as the peer that we call: takes what we send, in every way it knows."""

from pathlib import Path

import numpy as np
import pytest
import trustme
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ingestion.dimse.protocol.association_acceptance import AssociationRejected
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.supported_services import VERIFICATION_SOP_CLASS_UID
from ingestion.dimse.protocol.upper_layer import AbortedByPeer, PeerUnreachable
from ingestion.dimse.requestor.association_pool import AssociationPool
from ingestion.dimse.requestor.files_on_disk import FileOnDisk, file_in, file_on_disk
from ingestion.dimse.requestor.requesting import Destination, associate
from ingestion.dimse.requestor.send_instances import Sent, send_instances
from ingestion.dimse.requestor.sub_associations import InstanceSender
from ingestion.dimse.security.tls import CallingFiles
from ingestion.use_cases.select_instances import Kind
from tests.builders import build_ct, part10_bytes
from tests.interop.dcmtk import data_set_of, received, storescp

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    RLELossless,
]
VERIFICATION = (Proposal(VERIFICATION_SOP_CLASS_UID, (ImplicitVRLittleEndian,)),)


def write(folder: Path, datasets: list[Dataset]) -> list[FileOnDisk]:
    folder.mkdir(exist_ok=True)
    files = []
    for dataset in datasets:
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        path.write_bytes(part10_bytes(dataset))
        files.append(file_on_disk(path))
    return files


def send(port: int, files: list[FileOnDisk], *, associations: int = 1) -> list[Sent[FileOnDisk]]:
    """Send the files; the peer has them all when this returns, or has said why not."""
    kinds = {Kind(file.sop_class_uid, file.transfer_syntax_uid) for file in files}
    pool = AssociationPool(associations_max=8, per_destination_max=8)
    senders = [
        InstanceSender(
            Destination("STORESCP", "127.0.0.1", port, response_timeout_seconds=20),
            calling_ae_title="US",
            kinds=kinds,
            present=file_in,
            pool=pool,
        )
        for _ in range(associations)
    ]
    sent = list(send_instances(files, senders))
    pool.close()
    return sent


@pytest.mark.parametrize("pdu", ["4096", "16384", "131072"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_data_set_arrives_bit_by_bit(tmp_path: Path, syntax: UID, pdu: str) -> None:
    dataset = build_ct(transfer_syntax_uid=syntax, rows=300, columns=301)
    (file,) = write(tmp_path / "sent", [dataset])
    with storescp(tmp_path / "received", "+xa", "-pdu", pdu) as port:
        (sent,) = send(port, [file])
    assert (sent.status, sent.is_stored, sent.is_warning) == (0, True, False)
    (path,) = received(tmp_path / "received").values()
    assert file_on_disk(path).transfer_syntax_uid == syntax
    assert data_set_of(path) == data_set_of(file.file)


def test_all_syntaxes_together_over_several_associations(tmp_path: Path) -> None:
    datasets = [build_ct(transfer_syntax_uid=syntax) for syntax in SYNTAXES * 5]
    files = write(tmp_path / "sent", datasets)
    with storescp(tmp_path / "received", "+xa", "--fork") as port:
        sent = send(port, files, associations=4)
    assert [each.instance for each in sent] == files
    assert all(each.status == 0 for each in sent)
    found = received(tmp_path / "received")
    for file in files:
        assert data_set_of(found[file.sop_instance_uid]) == data_set_of(file.file)


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: uid.name,
)
def test_peer_that_takes_implicit_vr_alone_gets_that(tmp_path: Path, syntax: UID) -> None:
    dataset = build_ct(transfer_syntax_uid=syntax)
    (file,) = write(tmp_path / "sent", [dataset])
    with storescp(tmp_path / "received", "+xi") as port:
        (sent,) = send(port, [file])
    assert sent.status == 0
    (path,) = received(tmp_path / "received").values()
    read = dcmread(path)
    assert read.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert read.PatientName == dataset.PatientName
    assert np.array_equal(read.pixel_array, dcmread(file.file).pixel_array)


def test_what_cannot_be_made_fails_alone(tmp_path: Path) -> None:
    broken = build_ct(transfer_syntax_uid=JPEG2000Lossless)  # its pixels are no JPEG 2000
    with storescp(tmp_path / "received", "+xi") as port:
        sent = send(port, write(tmp_path / "sent", [broken, build_ct()]))
    assert [each.status for each in sent] == [None, 0]
    assert sent[0].reason
    assert not sent[0].is_stored


@pytest.mark.parametrize("option", ["--abort-after", "--abort-during"])
def test_peer_that_aborts_each_association_is_given_up(tmp_path: Path, option: str) -> None:
    files = write(tmp_path / "sent", [build_ct(rows=600, columns=600) for _ in range(4)])
    with storescp(tmp_path / "received", option) as port, pytest.raises(AbortedByPeer):
        send(port, files)


def test_peer_that_refuses_associations(tmp_path: Path) -> None:
    files = write(tmp_path / "sent", [build_ct()])
    with (
        storescp(tmp_path / "received", "--refuse") as port,
        pytest.raises(AssociationRejected, match="rejected the association"),
    ):
        send(port, files)


def test_echo(tmp_path: Path) -> None:
    with storescp(tmp_path / "received") as port:
        destination = Destination("STORESCP", "127.0.0.1", port)
        with associate(destination, calling_ae_title="US", proposals=VERIFICATION) as peer:
            assert peer.echo().status == 0
            assert peer.acceptance.implementation_version_name.startswith("OFFIS_DCMTK")


def test_tls_with_certificates_of_both_sides(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    for name in ("ours", "theirs"):
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.crt"))
    theirs = (str(tmp_path / "theirs.key"), str(tmp_path / "theirs.crt"))
    options = ("+tls", *theirs, "+cf", str(tmp_path / "ca"))
    ours = CallingFiles(tmp_path / "ca", tmp_path / "ours.crt", tmp_path / "ours.key").build()
    dataset = build_ct(rows=700, columns=700)
    (file,) = write(tmp_path / "sent", [dataset])
    with storescp(tmp_path / "received", *options) as port:
        proposals = (Proposal(file.sop_class_uid, (file.transfer_syntax_uid,)),)
        with associate(
            Destination("STORESCP", "127.0.0.1", port, ours),
            calling_ae_title="US",
            proposals=proposals,
        ) as peer:
            assert peer.store(file, context_id=1).status == 0
        stranger = CallingFiles(tmp_path / "ours.crt").build()
        with pytest.raises(PeerUnreachable, match="TLS: certificate not accepted"):
            associate(
                Destination("STORESCP", "127.0.0.1", port, stranger),
                calling_ae_title="US",
                proposals=proposals,
            )
    (path,) = received(tmp_path / "received").values()
    assert data_set_of(path) == data_set_of(file.file)
