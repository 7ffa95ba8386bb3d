"""The table of bindings."""

from collections.abc import Mapping

from bindings.binding import Binding
from bindings.c_store import CStore
from bindings.models import BindingKind
from bindings.stow_rs import StowRs
from bindings.webhook import Webhook

BINDINGS: Mapping[str, Binding] = {
    BindingKind.WEBHOOK: Webhook(),
    BindingKind.STOW_RS: StowRs(),
    BindingKind.C_STORE: CStore(),
}
