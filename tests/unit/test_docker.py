"""What docker/ names exists in the code. (The files themselves are not run here.)"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.embedded.product import PREFERRED_PORTS, QUEUES
from ingestion.environment import Environment, Limits

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text("utf-8")
COMPOSE_TEXT = (DOCKER / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
EXAMPLE = (DOCKER / "example.env").read_text("utf-8")
TEXTS = {"Dockerfile": DOCKERFILE, "compose.yaml": COMPOSE_TEXT, "example.env": EXAMPLE}
OURS = ("prepare", "web", "dimse", "worker", "deliver", "beat", "flower")


def words(service: str) -> Iterator[str]:
    yield from " ".join(COMPOSE["services"][service].get("command", [])).split()


@pytest.mark.parametrize("name", TEXTS)
def test_every_variable_of_ours_is_one_of_the_environment(name: str) -> None:
    fields = {
        f"INGESTION_{field}".upper() for cls in (Environment, Limits) for field in cls.model_fields
    }
    assert set(re.findall(r"INGESTION_[A-Z_0-9]+", TEXTS[name])) <= fields


def test_every_variable_that_compose_demands_is_in_the_example() -> None:
    demanded = set(re.findall(r"\$\{([A-Z_0-9]+):\?", COMPOSE_TEXT))
    assert demanded == set(re.findall(r"^([A-Z_0-9]+)=", EXAMPLE, re.MULTILINE))


def test_every_management_command_exists() -> None:
    known = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"migrate"}
    assert set(re.findall(r"manage\.py\"?,? \"?([a-z_]+)", COMPOSE_TEXT)) <= known


@pytest.mark.parametrize("name", QUEUES)
def test_each_worker_serves_the_queues_of_the_embedded_run(name: str) -> None:
    assert QUEUES[name] in words(name)


def test_each_process_of_the_product_has_its_container() -> None:
    assert set(OURS) <= set(COMPOSE["services"])
    for service in OURS:
        assert COMPOSE["services"][service]["image"] == "imaging-ingestion"


def test_published_and_exposed_ports_are_the_products() -> None:
    ports = {PREFERRED_PORTS[name] for name in ("web", "dimse", "flower")}
    exposed = re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)
    assert exposed is not None
    assert {int(port) for port in exposed[1].split()} == ports
    published = [port for service in OURS for port in COMPOSE["services"][service].get("ports", [])]
    assert {int(port.rpartition(":")[2]) for port in published} == ports


def test_what_the_image_copies_exists() -> None:
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())


def test_the_image_does_not_run_as_root_and_reports_its_health() -> None:
    assert re.search(r"^USER ingestion$", DOCKERFILE, re.MULTILINE)
    assert "HEALTHCHECK" in DOCKERFILE


def test_no_secret_has_a_value_in_docker() -> None:
    assert not re.search(r"(PASSWORD|SECRET|TOKEN|KEY|AUTH)=\S", EXAMPLE)
