"""The settings, loadable without an environment: for mypy's Django plugin."""

import os

os.environ.setdefault("INGESTION_SECRET_KEY", "not secret")
os.environ.setdefault("INGESTION_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
os.environ.setdefault("INGESTION_BROKER_URL", "redis://127.0.0.1:1/0")

from ingestion.settings import *  # noqa: F403  # after the environment is complete
