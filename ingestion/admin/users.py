"""Users and groups of the admin, in the same dress as the other screens."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User

if TYPE_CHECKING:  # unfold ships no types
    AdminPasswordChangeForm: Any
    UserChangeForm: Any
    UserCreationForm: Any
    _Users = DjangoUserAdmin[User]

    class _Dress:
        """Looks only."""

else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    from ingestion.admin.unfold_admin import ModelAdmin as _Dress

    _Users = DjangoUserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(_Users, _Dress):
    """People who may use the admin."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, _Dress):
    """Sets of permissions."""
