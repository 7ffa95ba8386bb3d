"""When things run: wake-ups and sweeps. `celery -A workers worker` starts a worker."""

from workers.celery_app import app

__all__ = ["app"]
