"""Checks users by name and password outside the web, with the same lock-out as there."""

from django.contrib.auth import authenticate
from django.http import HttpRequest

from ingestion.database import database_answers
from ingestion.errors import NotAuthenticated

MAY_ASSOCIATE = "ingestion.associate"
USERNAME_CHARACTERS_MAX = 150  # of Django's users; none has a longer name


def require_user_who_may_associate(username: str, password: str, *, peer_address: str) -> None:
    """Raise `NotAuthenticated` unless the password is right and the user may associate.

    After too many failures from an address the user is locked out there for a while, as at
    the admin's sign-in. Raises `DatabaseUnavailable`.
    """
    if len(username) > USERNAME_CHARACTERS_MAX:
        raise NotAuthenticated("user name or passcode not accepted")
    request = HttpRequest()  # what the lock-out goes by
    request.META |= {"REMOTE_ADDR": peer_address, "HTTP_USER_AGENT": "DIMSE"}
    request.path = "/dimse"
    with database_answers():
        user = authenticate(request, username=username, password=password)
        if user is None:
            raise NotAuthenticated("user name or passcode not accepted")
        if not user.has_perm(MAY_ASSOCIATE):
            raise NotAuthenticated("the user may not associate")
