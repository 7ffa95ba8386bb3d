"""What people and scripts are told of a run."""

from pathlib import Path

from ingestion.embedded.product import PREFERRED_PORTS, Product

SECRETS = dict.fromkeys(("secret_key", "admin_password", "token", "flower_password"), "s")


def product(folder: Path) -> Product:
    return Product(folder, PREFERRED_PORTS, SECRETS)


def test_port_of_tls_is_told_where_it_is_set(tmp_path: Path) -> None:
    environment = product(tmp_path).environment({"INGESTION_DIMSE_TLS_PORT": "2762"})
    assert "    DIMSE TLS  INGEST@127.0.0.1:2762\n" in product(tmp_path).table(environment)
    told = product(tmp_path).endpoints(environment)["dimse"]
    assert told == {"host": "127.0.0.1", "port": 11112, "ae_title": "INGEST", "tls_port": 2762}


def test_without_tls_nothing_is_told_of_it(tmp_path: Path) -> None:
    environment = product(tmp_path).environment({})
    assert "TLS" not in product(tmp_path).table(environment)
    told = product(tmp_path).endpoints(environment)["dimse"]
    assert told == {"host": "127.0.0.1", "port": 11112, "ae_title": "INGEST"}
