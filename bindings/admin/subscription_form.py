"""The form of a subscription. Secrets go in and are never shown again."""

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from bindings.models import AuthKind, Subscription
from bindings.models.subscription import validate_headers, validate_secret
from ingestion.models import EventType

if TYPE_CHECKING:
    _SubscriptionModelForm = forms.ModelForm[Subscription]
    TextArea = forms.Textarea
    Password = forms.PasswordInput
    Checkboxes = forms.CheckboxSelectMultiple
else:
    from unfold.widgets import UnfoldAdminPasswordWidget as Password
    from unfold.widgets import UnfoldAdminTextareaWidget as TextArea

    _SubscriptionModelForm = forms.ModelForm
    Checkboxes = forms.CheckboxSelectMultiple

KEPT = "Never shown. Empty: what is set stays."


class SubscriptionForm(_SubscriptionModelForm):
    """What is not given of the secrets stays as it is."""

    event_types = forms.MultipleChoiceField(
        choices=EventType.choices, widget=Checkboxes, initial=[EventType.STUDY_REVISION]
    )
    new_auth_secret = forms.CharField(
        label="Set token or password",
        required=False,
        widget=Password(attrs={"autocomplete": "new-password"}),
        validators=[validate_secret],
        help_text=KEPT,
    )
    new_headers = forms.CharField(
        label="Set headers",
        required=False,
        widget=TextArea(attrs={"rows": 3}),
        help_text='A JSON object, e.g. {"X-Api-Key": "…"}. {} removes all. ' + KEPT,
    )

    class Meta:
        model = Subscription
        exclude = ("auth_secret", "headers")  # the rest is meant to be edited
        labels = MappingProxyType(
            {"calling_ae_titles": "Calling AE titles", "sop_classes": "SOP Classes"}
        )

    def clean_new_headers(self) -> dict[str, str] | None:
        """The headers given; None when the field is empty."""
        text = self.cleaned_data["new_headers"]
        if not text:
            return None
        try:
            headers = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValidationError("This is not JSON.") from error
        validate_headers(headers)
        return dict(headers)

    def clean(self) -> dict[str, Any] | None:
        """Check what belongs together, and put secrets given where the model keeps them."""
        cleaned = super().clean()
        given = self.cleaned_data
        if bool(given.get("all_spaces")) == bool(given.get("spaces")):
            self.add_error("spaces", "Choose storage spaces, or all of them.")
        if given.get("new_auth_secret"):
            self.instance.auth_secret = given["new_auth_secret"]
        elif self.instance._state.adding and given.get("auth_kind", AuthKind.NONE) != AuthKind.NONE:
            self.add_error("new_auth_secret", "This way to authenticate needs a secret.")
        if given.get("new_headers") is not None:
            self.instance.headers = given["new_headers"]
        return cleaned
