"""Every error of the product has a status, and no answer has more than a code and a sentence."""

import json

import pytest
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions

from dicomweb.problems import exception_handler
from ingestion import errors

# PS3.18 Table 8.5-1 and 10.5.3-1, restated.
EXPECTED = {
    errors.NotDicom: 409,
    errors.StudyMismatch: 409,
    errors.LimitExceeded: 413,
    errors.InvalidQuery: 400,
    errors.InvalidMultipart: 400,
    errors.NotAcceptable: 406,
    errors.RequestTooSlow: 408,
    errors.UnsupportedMediaType: 415,
    errors.NotFound: 404,
    errors.NotAuthenticated: 401,
    errors.NotPermitted: 403,
    errors.OutOfSpace: 503,
    errors.ObjectStoreUnavailable: 503,
    errors.DatabaseUnavailable: 503,
    errors.Misconfigured: 503,
    errors.ObjectMissing: 500,
    errors.AssociationRefused: 500,
}


@pytest.mark.parametrize(("kind", "status"), EXPECTED.items())
def test_errors_have_the_status_of_the_standard(
    kind: type[errors.IngestionError], status: int
) -> None:
    response = exception_handler(kind("the rule"), {})
    assert response is not None
    assert response.status_code == status
    assert json.loads(response.content) == {"code": kind.code, "detail": "the rule"}
    assert ("Retry-After" in response.headers) == (status == 503)
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("FATAL: password authentication failed for user"), 503),
        (Http404("a secret path"), 404),
        (exceptions.NotAuthenticated("secret"), 401),
        (exceptions.PermissionDenied("secret"), 403),
        (exceptions.MethodNotAllowed("PUT"), 405),
        (exceptions.ParseError("secret"), 400),
    ],
)
def test_foreign_errors_keep_their_words_to_themselves(error: Exception, status: int) -> None:
    response = exception_handler(error, {})
    assert response is not None
    assert response.status_code == status
    assert b"secret" not in response.content
    assert b"password" not in response.content


def test_what_nobody_foresaw_is_left_to_the_outermost_handler() -> None:
    assert exception_handler(ZeroDivisionError(), {}) is None
