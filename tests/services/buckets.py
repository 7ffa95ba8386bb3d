"""Buckets of the S3 server of a test run."""

import os
from dataclasses import dataclass
from uuid import uuid4

import boto3
from botocore.config import Config

PART_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint_url: str
    access_key: str
    secret_key: str

    def options(self, bucket: str) -> dict[str, object]:
        """Options of a storage space in this bucket."""
        return {
            "bucket": bucket,
            "endpoint_url": self.endpoint_url,
            "region": "us-east-1",
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "addressing_style": "path",
            "part_bytes": PART_BYTES,
        }

    def new_bucket(self) -> str:
        """Create a bucket; returns its name."""
        bucket = f"test-{uuid4().hex[:12]}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        client.create_bucket(Bucket=bucket)
        client.close()
        return bucket


def s3_server_of_this_run() -> S3Server | None:
    """The server that runs beside the tests, if one was started."""
    names = ("TEST_S3_ENDPOINT", "TEST_S3_ACCESS_KEY", "TEST_S3_SECRET_KEY")
    return S3Server(*(os.environ[name] for name in names)) if names[0] in os.environ else None
