"""Without services the checks say which one is missing instead of falling over."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_missing_services_are_named_at_once() -> None:
    environment = {
        **os.environ,
        "INGESTION_DATABASE_URL": "postgresql://nobody:s3cr3t@127.0.0.1:1/none",
        "INGESTION_BROKER_URL": "redis://:s3cr3t@127.0.0.1:1/0",
    }
    result = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--database", "default"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    for code in ("ingestion.E003", "ingestion.E007"):
        assert code in result.stderr
    assert "s3cr3t" not in result.stderr
    assert "Traceback" not in result.stderr
