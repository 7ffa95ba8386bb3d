"""Forms of application entities: what they may be used for, as boxes and as lists of UIDs."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from ingestion.dicom.uid_lists import UidKind, read_uid_list, uid_list_text
from ingestion.errors import InvalidDocument
from ingestion.models import DimseService, LocalApplicationEntity, RemoteApplicationEntity

if TYPE_CHECKING:
    _LocalModelForm = forms.ModelForm[LocalApplicationEntity]
    _RemoteModelForm = forms.ModelForm[RemoteApplicationEntity]
    TextArea = forms.Textarea
    Checkboxes = forms.CheckboxSelectMultiple
else:
    from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as Checkboxes
    from unfold.widgets import UnfoldAdminTextareaWidget as TextArea

    _LocalModelForm = _RemoteModelForm = forms.ModelForm

RULES = ("services", "sop_class_uids", "transfer_syntax_uids")
FORMAT = "One UID or Name:UID per line; # begins a comment."


class UidListField(forms.CharField):
    """A list of UIDs of one kind, a line each."""

    widget = TextArea

    def __init__(self, kind: UidKind, **options: Any) -> None:
        super().__init__(required=False, widget=TextArea(attrs={"rows": 6}), **options)
        self.kind = kind

    def prepare_value(self, value: Any) -> Any:
        """The UIDs with their names; what was typed stays as it was typed."""
        return uid_list_text(value) if isinstance(value, list) else value

    def to_python(self, value: str | None) -> Any:
        """The UIDs. Every bad line is told at once."""
        try:
            return read_uid_list(value or "", self.kind)
        except InvalidDocument as error:
            raise ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether other UIDs are listed than before."""
        try:
            return bool((initial or []) != self.to_python(data))
        except ValidationError:
            return True


def services_field() -> forms.MultipleChoiceField:
    """The services, as boxes."""
    return forms.MultipleChoiceField(
        choices=DimseService.choices,
        widget=Checkboxes,
        required=False,
        help_text="Services that may be used. None chosen: all.",
    )


def sop_classes_field() -> UidListField:
    """The SOP Classes, as lines."""
    return UidListField(
        UidKind.SOP_CLASS,
        label="SOP Classes",
        help_text=f"SOP Classes that may be stored. None: all that we support. {FORMAT}",
    )


def transfer_syntaxes_field() -> UidListField:
    """The transfer syntaxes, as lines."""
    return UidListField(
        UidKind.TRANSFER_SYNTAX,
        label="Transfer syntaxes",
        help_text=f"Transfer syntaxes that may be stored. None: all that we support. {FORMAT}",
    )


class LocalApplicationEntityForm(_LocalModelForm):
    """An AE title of ours."""

    services = services_field()
    sop_class_uids = sop_classes_field()
    transfer_syntax_uids = transfer_syntaxes_field()

    class Meta:
        model = LocalApplicationEntity
        exclude = ()  # all is meant to be edited


class RemoteApplicationEntityForm(_RemoteModelForm):
    """A peer."""

    services = services_field()
    sop_class_uids = sop_classes_field()
    transfer_syntax_uids = transfer_syntaxes_field()

    class Meta:
        model = RemoteApplicationEntity
        exclude = ()  # all is meant to be edited

    def clean(self) -> dict[str, Any] | None:
        """A host needs a port, and a port a host."""
        cleaned = super().clean()
        host, port = self.cleaned_data.get("host"), self.cleaned_data.get("port")
        if bool(host) != (port is not None) and not self.errors:
            self.add_error("port" if host else "host", "Give both host and port, or neither.")
        return cleaned
