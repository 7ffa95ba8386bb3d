"""DCMTK's storescu says who its user is. Source: PS3.7 D.3.3.7."""

import subprocess
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Permission, User

from ingestion.models import AssociationRecord, LocalApplicationEntity, StorageSpace
from tests.builders import build_ct, part10_bytes
from tests.eventually import eventually
from tests.integration.dimse.conftest import (  # noqa: F401  # fixtures
    Service,
    Start,
    space,
    start_service,
)

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def service(
    space: StorageSpace,  # noqa: F811
    start_service: Start,  # noqa: F811
    tmp_path: Path,
) -> Service:
    keys = tmp_path / "keys.pem"
    keys.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    user = User.objects.create_user("ada", password="sesame")
    user.user_permissions.add(Permission.objects.get(codename="associate"))
    LocalApplicationEntity.objects.update(user_identity="required")
    return start_service(
        dimse_jwt_keys=keys, dimse_jwt_issuer="https://id.example", dimse_jwt_audience="imaging"
    )


def storescu(service: Service, folder: Path, *identity: str) -> subprocess.CompletedProcess[str]:
    path = folder / "ct.dcm"
    path.write_bytes(part10_bytes(build_ct()))
    address = ("-aet", "MODALITY", "-aec", "INGEST", "127.0.0.1", str(service.port))
    return subprocess.run(
        ["/usr/bin/storescu", "-v", *identity, *address, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_user_with_passcode_is_confirmed(service: Service, tmp_path: Path) -> None:
    answer = storescu(service, tmp_path, "-usr", "ada", "-pwd", "sesame", "-rsp")
    assert answer.returncode == 0, answer.stderr
    assert eventually(AssociationRecord.objects.first).user_identity == "ada"


def test_token_is_confirmed(service: Service, tmp_path: Path) -> None:
    claims = {"sub": "grace", "iss": "https://id.example", "aud": "imaging"}
    token = tmp_path / "token"
    token.write_text(jwt.encode({**claims, "exp": time.time() + 3600}, KEY, "ES256"))
    answer = storescu(service, tmp_path, "--jwt", str(token), "-rsp")
    assert answer.returncode == 0, answer.stderr
    assert eventually(AssociationRecord.objects.first).user_identity == "grace"


@pytest.mark.parametrize(
    "identity", [[], ["-usr", "ada"], ["-usr", "ada", "-pwd", "guess"]], ids=["none", "name", "bad"]
)
def test_others_are_refused(service: Service, tmp_path: Path, identity: list[str]) -> None:
    answer = storescu(service, tmp_path, *identity)
    assert answer.returncode != 0
    assert "Rejected Permanent" in answer.stderr
    assert service.stored_files() == []
