"""Objects in a bucket of Amazon S3 or a server that speaks its protocol.

`If-None-Match: *` keeps a put from overwriting; the server verifies each body by Content-MD5.
Source: Amazon S3 API Reference.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import boto3
from botocore.config import Config
from pydantic import ConfigDict, Field

from ingestion.errors import Misconfigured, ObjectMissing, ObjectStoreUnavailable
from ingestion.object_stores.object_keys import checked_key, checked_location, marked
from ingestion.object_stores.protocol import CHUNK_BYTES, ListedObject, StoredObject
from ingestion.object_stores.put_once import put_once
from ingestion.object_stores.s3_errors import S3_ERRORS, error_code, from_s3_error
from ingestion.object_stores.spool import FOLDER_MODE, Spool
from ingestion.object_stores.store_check import prove

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

MIB = 1024 * 1024
EXISTS_CODES = {
    "PreconditionFailed",
    "412",
    "ConditionalRequestConflict",
    "OperationAborted",
    "409",
}
UNKNOWN_CONDITION_CODES = {"NotImplemented", "501"}
BEYOND_END_CODES = {"InvalidRange", "416"}


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the bucket is and how to reach it. Without keys, boto3's own search finds credentials.

    `part_bytes`: larger objects go up in parts of this size, at least 5 MiB, each held in memory.
    `conditional_writes`: `never` asks whether an object exists instead of sending If-None-Match.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    bucket: Annotated[str, Field(min_length=3)]
    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    addressing_style: Literal["path", "virtual", "auto"] = "auto"
    ca_bundle: str | None = None
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 5.0
    read_timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    attempts_max: Annotated[int, Field(ge=1)] = 3
    connections_max: Annotated[int, Field(ge=1)] = 32
    part_bytes: Annotated[int, Field(ge=5 * MIB, le=64 * MIB)] = 16 * MIB
    conditional_writes: Literal["always", "never"] = "always"


class S3Store:
    """Keeps objects in one bucket through one client, which threads share and forks must not."""

    def __init__(self, options: S3Options, *, prefix: str, spool_folder: Path) -> None:
        self._bucket = options.bucket
        self._prefix = prefix
        self._spool_folder = spool_folder
        self._part_bytes = options.part_bytes
        self._is_conditional = options.conditional_writes == "always"
        self._client = _connect(options)

    def spool_folder(self) -> Path:
        """The local spool."""
        self._spool_folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        return self._spool_folder

    def put(self, key: str, spool: Spool) -> StoredObject:
        """Keep the spooled bytes; the server has confirmed them."""
        # Not every server checks the condition and writes in one step. Marked with a hash of all
        # bytes, two who race for a location have the same bytes: overwriting changes nothing.
        whole_key = marked(checked_key(self._prefix, key), spool.sha256(0).hex()[:16])
        return put_once(
            self, whole_key, spool=spool, create=lambda location: self._create(location, spool)
        )

    def read(self, location: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        return b"".join(self.iterate(location, offset=offset, length=length))

    def iterate(
        self,
        location: str,
        *,
        offset: int = 0,
        length: int | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Iterator[bytes]:
        """The bytes from `offset` in chunks, from one request."""
        if length == 0:
            self.size(location)
            return iter(())
        last = "" if length is None else offset + length - 1
        try:
            response = self._client.get_object(
                Bucket=self._bucket, Key=checked_location(location), Range=f"bytes={offset}-{last}"
            )
        except S3_ERRORS as error:
            if error_code(error) in BEYOND_END_CODES:
                return iter(())
            raise from_s3_error(error, "get") from error
        if response["ResponseMetadata"]["HTTPStatusCode"] != 206:
            response["Body"].close()
            raise Misconfigured("object store: it does not read ranges")
        return _chunks(response["Body"], chunk_bytes)

    def open_path(self, location: str) -> Path | None:
        """None: the object is elsewhere."""
        checked_location(location)
        return None

    def size(self, location: str) -> int:
        """The object's size in bytes."""
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=checked_location(location))
        except S3_ERRORS as error:
            raise from_s3_error(error, "head") from error
        return head["ContentLength"]

    def delete(self, location: str) -> None:
        """Remove the object."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=checked_location(location))
        except S3_ERRORS as error:
            mapped = from_s3_error(error, "delete")
            if not isinstance(mapped, ObjectMissing):
                raise mapped from error

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """The objects whose keys begin with `prefix`, page by page."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        try:
            for page in pages:
                for item in page.get("Contents", ()):
                    modified_at = item["LastModified"].astimezone(UTC)
                    yield ListedObject(item["Key"], item["Size"], modified_at)
        except S3_ERRORS as error:
            raise from_s3_error(error, "list") from error

    def check(self) -> None:
        """Prove that the bucket is there and can be used."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except S3_ERRORS as error:
            mapped = from_s3_error(error, "bucket")
            if isinstance(mapped, ObjectMissing):
                raise Misconfigured("bucket: there is none of this name") from error
            raise mapped from error
        prove(self)

    def _create(self, location: str, spool: Spool) -> bool:
        """Create the object; false when there is one."""
        is_large = spool.size_bytes > self._part_bytes
        if (is_large or not self._is_conditional) and self._exists(location):
            return False
        try:
            if is_large:
                self._upload_parts(location, spool)
            else:
                self._upload(location, spool)
        except S3_ERRORS as error:
            code = error_code(error)
            if code in EXISTS_CODES:
                return False
            if self._is_conditional and code in UNKNOWN_CONDITION_CODES:
                self._is_conditional = False
                return self._create(location, spool)
            raise _from_put_error(error) from error
        return True

    def _upload(self, location: str, spool: Spool) -> None:
        body = spool.read_at(0, spool.size_bytes)
        self._confirm(
            self._client.put_object(
                Bucket=self._bucket,
                Key=location,
                Body=body,
                ContentMD5=_content_md5(body),
                ContentType="application/dicom",
                **self._condition(),
            )
        )

    def _upload_parts(self, location: str, spool: Spool) -> None:
        upload_id = self._client.create_multipart_upload(
            Bucket=self._bucket, Key=location, ContentType="application/dicom"
        )["UploadId"]
        upload: Any = {"Bucket": self._bucket, "Key": location, "UploadId": upload_id}
        try:
            parts: Any = [
                self._upload_part(upload, number, spool=spool)
                for number in range(1, -(-spool.size_bytes // self._part_bytes) + 1)
            ]
            completed = self._client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, **self._condition()
            )
            self._confirm(completed)
        except BaseException:
            self._abort(upload)
            raise

    def _upload_part(self, upload: Any, number: int, *, spool: Spool) -> dict[str, object]:
        body = spool.read_at((number - 1) * self._part_bytes, self._part_bytes)
        part = self._client.upload_part(
            **upload, PartNumber=number, Body=body, ContentMD5=_content_md5(body)
        )
        return {"PartNumber": number, "ETag": self._confirm(part)}

    def _abort(self, upload: Any) -> None:
        """Free the parts. The failure that led here is the one to report, so this one is not."""
        try:
            self._client.abort_multipart_upload(**upload)
        except S3_ERRORS:
            return  # left to the bucket's rule for incomplete uploads

    def _exists(self, location: str) -> bool:
        try:
            self.size(location)
        except ObjectMissing:
            return False
        return True

    def _condition(self) -> Any:
        return {"IfNoneMatch": "*"} if self._is_conditional else {}

    @staticmethod
    def _confirm(response: Any) -> str:
        """The entity tag, without which nothing was stored."""
        if not response.get("ETag"):
            raise ObjectStoreUnavailable("put: the server confirmed nothing")
        return str(response["ETag"])


def _connect(options: S3Options) -> "S3Client":
    config = Config(
        connect_timeout=options.connect_timeout_seconds,
        read_timeout=options.read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": options.attempts_max},
        max_pool_connections=options.connections_max,
        s3={"addressing_style": options.addressing_style},
        # Content-MD5 is ours and known to every server; newer checksums are not.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=options.endpoint_url,
            region_name=options.region,
            aws_access_key_id=options.access_key,
            aws_secret_access_key=options.secret_key,
            aws_session_token=options.session_token,
            verify=options.ca_bundle,
            config=config,
        )
    except (*S3_ERRORS, ValueError) as error:
        raise Misconfigured(f"S3 client: {type(error).__name__}") from error


def _from_put_error(error: Any) -> Exception:
    """A missing upload or object in a write is worth a repeat."""
    mapped = from_s3_error(error, "put")
    return ObjectStoreUnavailable(str(mapped)) if isinstance(mapped, ObjectMissing) else mapped


def _content_md5(body: bytes) -> str:
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _chunks(body: "StreamingBody", chunk_bytes: int) -> Iterator[bytes]:
    try:
        yield from body.iter_chunks(chunk_bytes)
    except (*S3_ERRORS, OSError) as error:
        raise ObjectStoreUnavailable(f"get: {type(error).__name__}") from error
    finally:
        body.close()
