"""What settings make of the environment."""

import pytest

from ingestion.settings import database_settings

OURS = "-c statement_timeout=30s -c client_connection_check_interval=2s"


def test_parameters_of_the_database_url_reach_the_driver() -> None:
    """TLS is asked for there: leaving it out in silence would send patients in the clear."""
    made = database_settings(
        "postgresql://me:p%40ss@db:5433/held?sslmode=verify-full&sslrootcert=%2Fca.pem"
        "&connect_timeout=9"
    )
    assert (made["HOST"], made["PORT"], made["NAME"]) == ("db", 5433, "held")
    assert (made["USER"], made["PASSWORD"]) == ("me", "p@ss")
    options = made["OPTIONS"]
    assert isinstance(options, dict)
    assert options["sslmode"] == "verify-full"
    assert options["sslrootcert"] == "/ca.pem"
    assert options["connect_timeout"] == "9"


@pytest.mark.parametrize("url", ["postgresql://db/held", "postgresql:///held"])
def test_what_the_url_leaves_out_has_defaults(url: str) -> None:
    made = database_settings(url)
    assert made["PORT"] == 5432
    options = made["OPTIONS"]
    assert isinstance(options, dict)
    assert options["connect_timeout"] == 5
    assert options["application_name"] == "imaging-ingestion"
    assert options["options"] == OURS


def test_options_of_the_url_come_after_ours() -> None:
    """PostgreSQL lets the last one win."""
    made = database_settings("postgresql://db/held?options=-c%20statement_timeout%3D9s")
    options = made["OPTIONS"]
    assert isinstance(options, dict)
    assert options["options"] == f"{OURS} -c statement_timeout=9s"
