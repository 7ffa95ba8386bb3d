"""What processes are told by environment variables: typed, with unit, default and meaning.

Only this module reads the environment. `docs/configuration.md` is generated from it.
Domain objects (storage spaces, application entities, subscriptions) are not here: the
admin keeps them.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingestion.errors import Misconfigured

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_Settings = TypeVar("_Settings", bound=BaseSettings)


class Limits(BaseSettings):
    """The one table of limits. Each is told to whoever hits it, and each has a test."""

    model_config = SettingsConfigDict(env_prefix="INGESTION_", extra="ignore")

    instance_bytes_max: int = Field(8 * GIB, ge=KIB, description="Bytes of one object.")
    request_bytes_max: int = Field(
        64 * GIB, ge=KIB, description="Bytes of one STOW-RS request, all parts."
    )
    parts_max: int = Field(20_000, ge=1, description="Parts of one STOW-RS request.")
    metadata_bytes_max: int = Field(
        64 * MIB, ge=KIB, description="Bytes of the JSON or XML metadata of one STOW-RS request."
    )
    header_bytes_max: int = Field(
        32 * MIB, ge=64 * KIB, description="Bytes of a data set up to Pixel Data."
    )
    sequence_depth_max: int = Field(64, ge=1, le=200, description="Nesting of sequences.")
    header_elements_max: int = Field(
        200_000, ge=100, description="Elements of a data set up to Pixel Data."
    )
    inflated_bytes_max: int = Field(
        4 * GIB, ge=KIB, description="Bytes of a deflated data set once inflated."
    )
    spool_memory_bytes_max: int = Field(
        MIB, ge=0, description="Bytes of one object kept in memory before it spills to a file."
    )
    spool_free_bytes_min: int = Field(
        512 * MIB,
        ge=0,
        description="Free bytes on the spool's disk below which new objects are refused.",
    )
    query_results_max: int = Field(1000, ge=1, description="Results of one QIDO-RS page.")
    query_offset_max: int = Field(1_000_000, ge=0, description="Largest QIDO-RS offset.")
    query_documents_max: int = Field(
        100_000,
        ge=1,
        description="Stored headers that one search by unindexed attributes may read.",
    )
    workitem_bytes_max: int = Field(
        MIB, ge=KIB, le=64 * MIB, description="Bytes of one workitem, and of a request about it."
    )
    workitems_searched_max: int = Field(
        20_000, ge=1, description="Workitems that one search reads to match what has no column."
    )
    worklist_subscribers_max: int = Field(
        100, ge=1, description="AE titles subscribed to the worklist of one storage space."
    )
    decoded_frame_bytes_max: int = Field(
        256 * MIB, ge=MIB, description="Bytes of one frame, encoded or decoded, to be rendered."
    )
    rendered_parts_max: int = Field(
        1000, ge=1, description="Pictures in one multipart answer of rendered frames."
    )
    animation_frames_max: int = Field(
        299, ge=1, description="Frames of one animated GIF; what follows them is left out."
    )
    animation_pixels_max: int = Field(
        100_000_000, ge=1, description="Pixels of one animated GIF, all frames."
    )
    rendered_cache_bytes_max: int = Field(
        64 * MIB, ge=0, description="Bytes of rendered pictures that one web process remembers."
    )
    associations_max: int = Field(200, ge=1, description="Associations of one DIMSE process.")
    associations_per_peer_max: int = Field(
        64, ge=1, description="Associations of one peer address in one DIMSE process."
    )
    sub_associations_max: int = Field(
        64, ge=1, description="Associations with other application entities of one process."
    )
    sub_associations_per_destination_max: int = Field(
        16, ge=1, description="Associations with one other application entity of one process."
    )
    dimse_queries_max: int = Field(
        8,
        ge=1,
        le=1000,
        description="Threads of one DIMSE process that use the database at once; a peer has no more"
        " of them than it leaves to others.",
    )
    dimse_reads_ahead_max: int = Field(
        8,
        ge=0,
        le=64,
        description="Instances of one C-GET or C-MOVE that are read before their turn where the"
        " store has no local files; 1 MiB of each is held in memory.",
    )
    dimse_store_readers_max: int = Field(
        32,
        ge=1,
        le=1000,
        description="Threads of one DIMSE process that read ahead from one storage space.",
    )
    pdu_bytes_max: int = Field(
        128 * KIB, ge=4 * KIB, le=4 * MIB, description="Maximum PDU length that we advertise."
    )
    identifier_bytes_max: int = Field(
        MIB, ge=4 * KIB, description="Data set of a DIMSE query, retrieval, action or notice."
    )
    association_records_max: int = Field(
        1_000_000, ge=1, description="Associations that the log keeps; the oldest go first."
    )
    procedure_steps_max: int = Field(
        1_000_000, ge=1, description="Procedure steps that are kept; the oldest go first."
    )
    commitment_references_max: int = Field(
        20_000, ge=1, le=24_000, description="Instances of one storage commitment request."
    )
    report_bytes_max: int = Field(
        8 * MIB,
        ge=64 * KIB,
        le=16 * MIB,
        description="Bytes of one storage commitment request, procedure step or notification.",
    )
    registration_batch_max: int = Field(
        500,
        ge=1,
        le=1000,  # each of their studies takes a lock of the server's shared table
        description="Receipts registered in one transaction.",
    )
    delivery_batch_max: int = Field(
        100, ge=1, le=5000, description="Deliveries of one subscription claimed together."
    )
    response_bytes_max: int = Field(MIB, ge=KIB, description="Bytes read of a subscriber's answer.")


class Environment(BaseSettings):
    """Every process's settings. Production has no default for a secret."""

    model_config = SettingsConfigDict(env_prefix="INGESTION_", extra="ignore")

    secret_key: SecretStr = Field(description="Key for sessions and for secrets at rest.")
    database_url: SecretStr = Field(description="PostgreSQL: postgresql://user:pass@host:port/name")
    broker_url: SecretStr = Field(description="Celery broker: redis://… or amqp://…")
    state_folder: Path = Field(
        Path("var"), description="Where spools and the embedded services keep state."
    )
    allowed_hosts: str = Field(
        "localhost,127.0.0.1,[::1]", description="Host names that the web answers to, by comma."
    )
    public_base_url: str = Field(
        "", description="URL under which clients see the web; empty: from the request."
    )
    trust_forwarded_headers: bool = Field(
        default=False,
        description="Take scheme, host, client from X-Forwarded-*; only behind a proxy of yours.",
    )
    csrf_trusted_origins: str = Field("", description="Origins that may post to the admin.")
    credentialed_origins: str = Field(
        "",
        description="Origins, by comma, whose pages may ask DICOMweb with cookies: for a sign-on"
        " proxy in front.",
    )
    https_only: bool = Field(
        default=False, description="Redirect to HTTPS, secure cookies, strict transport security."
    )
    dangerous_debug: bool = Field(
        default=False, description="Django's debug pages. Never in production."
    )
    log_format: Literal["json", "console"] = Field("json", description="One line per event.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is written."
    )
    database_connection_seconds_max: int = Field(
        600, ge=0, description="How long a process keeps a database connection, in seconds."
    )
    database_statement_seconds_max: int = Field(
        30, ge=1, description="Longest that a statement may take, but for migrations, in seconds."
    )
    dimse_host: str = Field("127.0.0.1", description="Address that the DIMSE service binds.")
    dimse_port: int = Field(
        11112, ge=0, le=65535, description="Port of the DIMSE service; 0: none, for TLS alone."
    )
    dimse_tls_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the DIMSE service with TLS; empty: none."
    )
    dimse_tls_certificate: Path | None = Field(
        None, description="Our certificate and those up to its authority, PEM."
    )
    dimse_tls_key: Path | None = Field(
        None, description="Private key, PEM, no password; empty: beside the certificate."
    )
    dimse_tls_client_certificates: Literal["none", "optional", "required"] = Field(
        "none", description="Whether peers that call must prove themselves by a certificate."
    )
    dimse_tls_client_ca: Path | None = Field(
        None, description="Authorities that callers' certificates must come from, PEM."
    )
    dimse_tls_ca: Path | None = Field(
        None, description="Authorities that we trust when we call, PEM; empty: the system's."
    )
    dimse_tls_check_host_names: bool = Field(
        default=True, description="When we call, the certificate must name the host."
    )
    dimse_tls_calling_certificate: Path | None = Field(
        None, description="Certificate that we call with, PEM; empty: the one we are called with."
    )
    dimse_tls_calling_key: Path | None = Field(
        None, description="Private key of the certificate that we call with, PEM."
    )
    dimse_jwt_keys: Path | None = Field(
        None,
        description="Keys of JSON Web Tokens that identify users: PEM, or a JWK Set; empty: none.",
    )
    dimse_jwt_issuer: str = Field("", description="Who must have issued those tokens (`iss`).")
    dimse_jwt_audience: str = Field("", description="Whom they must be meant for (`aud`).")
    dimse_jwt_algorithms: str = Field(
        "RS256,PS256,ES256,EdDSA",
        pattern=r"^\s*(([RPE]S(256|384|512)|EdDSA)\s*(,\s*|$))+$",
        description="Signatures that are accepted, by comma; never with a shared secret.",
    )
    dimse_jwt_user_claim: str = Field("sub", description="The claim that names the user.")
    dimse_processes: int = Field(2, ge=1, le=64, description="Processes that share the port.")
    dimse_data_path: Literal["fast", "stock"] = Field(
        "fast", description="Who reads P-DATA: our own loop, or pynetdicom's."
    )
    dimse_accept_unknown_sop_classes: bool = Field(
        default=False, description="Accept private and unknown SOP Classes for storage."
    )
    dimse_any_calling_ae_from_loopback: bool = Field(
        default=False, description="Let any calling AE title in from loopback addresses."
    )
    dimse_network_timeout_seconds: float = Field(
        60.0, gt=0, description="Longest silence of a peer between messages."
    )
    dimse_message_timeout_seconds: float = Field(
        30.0, gt=0, description="Longest silence of a peer inside a message."
    )
    dimse_artim_timeout_seconds: float = Field(
        30.0, gt=0, description="Longest wait for A-ASSOCIATE-RQ and for a close (PS3.8 9.1.5)."
    )
    dimse_query_wait_seconds: float = Field(
        10.0, gt=0, description="Longest wait for one of the `dimse_queries_max`; then A700."
    )
    dimse_drain_seconds: float = Field(
        30.0, ge=0, description="How long a stopping DIMSE service lets associations finish."
    )
    association_records_days: int = Field(
        30, ge=1, description="How long the log of associations is kept, in days."
    )
    procedure_steps_days: int = Field(
        365, ge=1, description="How long a procedure step is kept after its last change, in days."
    )
    commit_group_max: int = Field(
        100, ge=1, le=1000, description="Receipts committed together by one DIMSE process."
    )
    outbound_allow_private_addresses: bool = Field(
        default=False, description="Let subscriptions send to loopback and private addresses."
    )
    outbound_timeout_seconds: float = Field(
        30.0, gt=0, description="Longest wait for a subscriber's answer."
    )
    sweep_seconds: float = Field(
        5.0, gt=0, description="How often rows that a lost wake-up left are looked for."
    )
    s3_spool_folder: Path | None = Field(
        None, description="Spool for stores without a local disk; empty: state folder."
    )
    bootstrap_admin_password: SecretStr | None = Field(
        None, description="`manage.py bootstrap` gives it to the user `admin`; empty: no such user."
    )
    bootstrap_token: SecretStr | None = Field(
        None, description="`manage.py bootstrap` lets it read, store and delete everywhere."
    )
    limits: Limits = Field(default_factory=Limits, description="The table of limits.")


@cache
def environment() -> Environment:
    """The process's settings, read once.

    Raises `Misconfigured` that names every mistake at once, never a value.
    """
    mistakes: list[str] = []
    limits = _made(Limits, mistakes)
    some_limits = limits or Limits.model_construct()
    made = _made(lambda: Environment(limits=some_limits), mistakes)
    if mistakes or made is None:
        raise Misconfigured(f"environment: {'; '.join(mistakes)}")
    return made


def listed(value: str) -> list[str]:
    """What stands between the commas, without the spaces that people put there."""
    return [item.strip() for item in value.split(",") if item.strip()]


def _made(make: Callable[[], _Settings], mistakes: list[str]) -> _Settings | None:
    """What is made, or None when `mistakes` were added."""
    try:
        return make()
    except ValidationError as error:
        mistakes += (
            f"INGESTION_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        return None
