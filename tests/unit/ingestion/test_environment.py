"""Processes say everything that is wrong with their environment at once, and never a value."""

import os
import subprocess
import sys

from ingestion.environment import listed


def test_spaces_around_commas_mean_nothing() -> None:
    assert listed(" a.example, b.example ,,[::1]") == ["a.example", "b.example", "[::1]"]
    assert listed("") == []


def test_every_mistake_is_told_at_once_without_values() -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith("INGESTION")}
    program = "from ingestion.environment import environment; environment()"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=given | {"INGESTION_PARTS_MAX": "s3cr3t", "INGESTION_DIMSE_PORT": "70000"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = ended.stderr.splitlines()[-1]
    assert "Misconfigured" in told
    for name in ("PARTS_MAX", "DIMSE_PORT", "SECRET_KEY", "DATABASE_URL", "BROKER_URL"):
        assert f"INGESTION_{name}: " in told
    assert "s3cr3t" not in ended.stderr
