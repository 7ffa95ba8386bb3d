"""The sidebar: what operators look at, in the order of an object's way."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Screen:
    """An entry: `model` is `app_label.model_name`; `icon` a name of Material Symbols."""

    title: str
    icon: str
    model: str


SECTIONS: dict[str, list[Screen]] = {
    "Held": [
        Screen("Studies", "folder_shared", "ingestion.study"),
        Screen("Series", "stacks", "ingestion.series"),
        Screen("Instances", "image", "ingestion.instance"),
    ],
    "Custody": [
        Screen("Receipts", "receipt_long", "ingestion.receipt"),
        Screen("Revisions", "history", "ingestion.studyrevision"),
        Screen("Events", "campaign", "ingestion.event"),
        Screen("Retired objects", "auto_delete", "ingestion.retiredobject"),
        Screen("Associations", "swap_horiz", "ingestion.associationrecord"),
    ],
    "Modalities": [
        Screen("Procedure steps", "timer", "ingestion.performedprocedurestep"),
        Screen("Storage commitments", "verified", "ingestion.storagecommitment"),
        Screen("Commitments asked for", "rule", "ingestion.commitmentrequest"),
    ],
    "Worklist": [
        Screen("Workitems", "checklist", "ingestion.workitem"),
        Screen("Worklist subscriptions", "notifications", "ingestion.worklistsubscription"),
    ],
    "Setup": [
        Screen("Storage spaces", "database", "ingestion.storagespace"),
        Screen("Our AE titles", "router", "ingestion.localapplicationentity"),
        Screen("Remote AE titles", "lan", "ingestion.remoteapplicationentity"),
        Screen("Access tokens", "key", "ingestion.accesstoken"),
        Screen("Users", "person", "auth.user"),
        Screen("Groups", "group", "auth.group"),
    ],
}


def add_section(title: str, screens: list[Screen]) -> None:
    """Show another section, before the setup. Applications call it when they are ready."""
    setup = SECTIONS.pop("Setup")
    SECTIONS[title] = screens
    SECTIONS["Setup"] = setup


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sections with the screens that the user may see, as unfold wants them."""
    sections = []
    for title, screens in SECTIONS.items():
        items = [
            {
                "title": screen.title,
                "icon": screen.icon,
                "link": reverse(f"admin:{screen.model.replace('.', '_')}_changelist"),
            }
            for screen in screens
            if request.user.has_perm(screen.model.replace(".", ".view_"))
        ]
        if items:
            sections.append({"title": title, "separator": True, "items": items})
    return sections
