"""The table of bindings."""

from collections.abc import Mapping

from bindings.binding import Binding
from bindings.models import BindingKind
from bindings.stow_rs import StowRs
from bindings.webhook import Webhook

BINDINGS: Mapping[str, Binding] = {
    BindingKind.WEBHOOK: Webhook(),
    BindingKind.STOW_RS: StowRs(),
}
