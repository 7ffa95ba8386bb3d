"""One embedded run: the servers, the preparations, the processes, until somebody stops it."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ingestion.embedded.console import Console
from ingestion.embedded.ports import accepts
from ingestion.embedded.postgres import STOP_SIGNALS as POSTGRES_STOP_SIGNALS
from ingestion.embedded.postgres import postgres_url, start_postgres
from ingestion.embedded.processes import start_process
from ingestion.embedded.product import PREFERRED_PORTS, ROOT, Product
from ingestion.embedded.state_folder import MARKER, StateFolder, state_folder_path
from ingestion.embedded.supervisor import ProcessPlan, Stopped, StopRequests, Supervisor, Tier
from ingestion.embedded.valkey import start_valkey, valkey_url

READY_SECONDS_MAX = 180.0


def run(
    given: Mapping[str, str],
    *,
    console: Console,
    requests: StopRequests,
    commands: Sequence[str] = (),
) -> None:
    """Run the product until a request to stop; nothing of it is left when this returns.

    `given` is the environment of the caller. A database or broker named there is used, and
    none is started in its place. `commands` of `manage.py` run before anything serves.
    Raises `IngestionError` when something does not start.
    """
    state = StateFolder(state_folder_path(given))
    with state.held():
        ended = state.end_leftovers()
        if ended:
            console.say(f"ended {ended} processes that an earlier run left")
        supervisor = Supervisor(console, requests=requests, record=state.record_processes)
        try:
            _serve(state, given, console=console, supervisor=supervisor, commands=commands)
        except Stopped:
            console.say("stopping…")
        finally:
            state.remove_endpoints()
            supervisor.stop()
            console.say("stopped")


def _serve(
    state: StateFolder,
    given: Mapping[str, str],
    *,
    console: Console,
    supervisor: Supervisor,
    commands: Sequence[str],
) -> None:
    product = Product(
        state_folder=state.path, ports=state.ports(PREFERRED_PORTS), secrets=state.secrets()
    )
    urls = dict(given)
    for server in _servers(product):
        if not given.get(server.variable):
            console.say(f"starting {server.title}…")
            supervisor.start(server.plan)
            urls[server.variable] = server.url
    environment = product.environment(urls) | {MARKER: str(state.path)}
    for name, command in product.preparations(commands).items():
        console.say(f"preparing: {name}…")
        told = environment | product.bootstrap_secrets()
        supervisor.finish(name, _start(name, command, environment=told, console=console))
    console.say("starting the web, DIMSE, the workers and Flower…")
    for plan in product.plans(partial(_start, environment=environment, console=console)):
        supervisor.start(plan)
    supervisor.wait_until_ready(within_seconds=READY_SECONDS_MAX)
    state.write_endpoints(product.endpoints(environment), environment=environment)
    console.block(product.table(environment))
    supervisor.watch()


@dataclass(frozen=True, slots=True)
class _EmbeddedServer:
    """A server that is started unless `variable` names another."""

    title: str
    variable: str
    url: str
    plan: ProcessPlan


def _servers(product: Product) -> tuple[_EmbeddedServer, ...]:
    postgres, valkey = product.state_folder / "postgres", product.state_folder / "valkey"
    postgres_port, valkey_port = product.ports["postgres"], product.ports["valkey"]
    return (
        _EmbeddedServer(
            title="PostgreSQL",
            variable="INGESTION_DATABASE_URL",
            url=postgres_url(postgres, port=postgres_port),
            plan=ProcessPlan(
                name="postgres",
                tier=Tier.DATABASE,
                start=lambda: start_postgres(postgres, durable=True, port=postgres_port).process,
                is_ready=lambda: accepts(postgres_port),
                stop_signal=POSTGRES_STOP_SIGNALS[0],
                stop_seconds=30.0,
            ),
        ),
        _EmbeddedServer(
            title="Valkey",
            variable="INGESTION_BROKER_URL",
            url=valkey_url(valkey, port=valkey_port),
            plan=ProcessPlan(
                name="valkey",
                tier=Tier.BROKER,
                start=lambda: start_valkey(valkey, durable=True, port=valkey_port).process,
                is_ready=lambda: accepts(valkey_port),
            ),
        ),
    )


def _start(
    name: str, command: list[str], *, environment: Mapping[str, str], console: Console
) -> subprocess.Popen[bytes]:
    """Start a command of the product, its output behind its name."""
    process = start_process(command, cwd=ROOT, environment=environment, output=subprocess.PIPE)
    assert process.stdout is not None
    console.relay(name, process.stdout)
    return process
