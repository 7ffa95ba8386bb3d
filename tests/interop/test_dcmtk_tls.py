"""DCMTK's programs with TLS, as callers and as the called. Source: PS3.15 B.9 to B.12."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.dimse.security.tls import CallingFiles
from ingestion.models import AssociationRecord
from tests.builders import build_ct, part10_bytes
from tests.eventually import eventually
from tests.free_ports import free_port
from tests.integration.dimse.conftest import (  # noqa: F401  # fixtures
    Service,
    Start,
    space,
    start_service,
)
from tests.scripted_peer import ASSOCIATE_AC, ScriptedPeer, echo_command
from tests.unit.dimse.certificates import Authority

StartTls = Callable[..., Service]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "tls")


@pytest.fixture
def start_tls(start_service: Start, authority: Authority) -> StartTls:  # noqa: F811
    def start(**environment: Any) -> Service:
        return start_service(
            dimse_tls_port=2762,
            dimse_tls_certificate=authority.issue("ours"),
            dimse_tls_client_ca=authority.file,
            **environment,
        )

    return start


def dcmtk(program: str, service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program against the port with TLS; the title's `MODALITY` may call."""
    address = ("-aet", "MODALITY", "-aec", "INGEST", "127.0.0.1", str(service.tls_port))
    files = [word for word in words if word.endswith(".dcm")]
    options = [word for word in words if not word.endswith(".dcm")]
    return subprocess.run(
        [f"/usr/bin/{program}", "-v", *options, *address, *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ct_file(folder: Path) -> str:
    path = folder / "ct.dcm"
    path.write_bytes(part10_bytes(build_ct(rows=128, columns=128)))
    return str(path)


# The profiles of DCMTK 3.6.7 that are not retired.
@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_anonymous_callers_store_under_every_profile(
    start_tls: StartTls, authority: Authority, tmp_path: Path, profile: str
) -> None:
    service = start_tls()
    trust = ("+tla", "+cf", str(authority.file), profile)
    assert dcmtk("echoscu", service, *trust).returncode == 0
    answer = dcmtk("storescu", service, *trust, ct_file(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert len(service.stored_files()) == 1
    assert eventually(AssociationRecord.objects.first).is_encrypted


@pytest.mark.parametrize("profile", ["+pa", "+pn"])
def test_retired_profiles_are_refused(
    start_tls: StartTls, authority: Authority, profile: str
) -> None:
    answer = dcmtk("echoscu", start_tls(), "+tla", "+cf", str(authority.file), profile)
    assert answer.returncode != 0
    assert not AssociationRecord.objects.exists()


def test_certificate_of_the_caller_where_it_is_required(
    start_tls: StartTls, authority: Authority, tmp_path: Path
) -> None:
    service = start_tls(dimse_tls_client_certificates="required")
    certificate, key = authority.issue_apart("modality")
    trust = ("+cf", str(authority.file))
    answer = dcmtk(
        "storescu", service, "+tls", str(key), str(certificate), *trust, ct_file(tmp_path)
    )
    assert answer.returncode == 0, answer.stderr
    assert dcmtk("echoscu", service, "+tla", *trust).returncode != 0


def test_caller_that_does_not_trust_us_leaves(start_tls: StartTls, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other").file
    answer = dcmtk("echoscu", start_tls(), "+tla", "+cf", str(other))
    assert answer.returncode != 0
    assert "certificate verify failed" in answer.stderr


@pytest.fixture
def dcmtk_port(authority: Authority, tmp_path: Path) -> Iterator[int]:
    """The port of DCMTK's storescp, which asks for our certificate."""
    certificate, key = authority.issue_apart("theirs")
    port = free_port()
    trust = ["+tls", str(key), str(certificate), "+cf", str(authority.file)]
    process = subprocess.Popen(
        ["/usr/bin/storescp", *trust, "-od", str(tmp_path), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield port
    process.kill()
    process.wait(60)


def test_we_call_and_are_known_by_our_certificate(authority: Authority, dcmtk_port: int) -> None:
    context = CallingFiles(authority.file, authority.issue("ours")).build()

    def connected() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", dcmtk_port), timeout=60)
        except ConnectionRefusedError:
            return None

    connection: socket.socket = eventually(connected)
    with ScriptedPeer(context.wrap_socket(connection, server_hostname="127.0.0.1")) as peer:
        assert peer.associate(called="STORESCP").kind == ASSOCIATE_AC
        assert peer.request(1, echo_command()).status == 0
