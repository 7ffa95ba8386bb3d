"""The web as a WSGI application."""

import os

from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ingestion.settings")


def _application() -> WSGIHandler:
    made = get_wsgi_application()
    # What needs models can be imported only now. Views are, once for all workers to be forked.
    from ingestion import urls  # noqa: F401
    from ingestion.use_cases.clean_spools import clean_spools_at_start

    clean_spools_at_start()
    return made


application = _application()
