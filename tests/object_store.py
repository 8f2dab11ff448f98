"""A real object store for tests: SeaweedFS, one process that speaks S3 and keeps everything in a directory."""

import json
import sysconfig
from functools import cached_property
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.service import Service, free_ports

_SERVERS = ("s3", "filer", "volume", "master", "admin")
KEY, SECRET, REGION = "test-key", "test-secret", "us-east-1"
_PROBE = "started"
_IMPATIENT = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})


class ObjectStore(Service):
    """Not started yet.

    Args:
        directory: what it keeps, over every restart.
        buckets: that it makes at its start.

    Attributes:
        endpoint: its URL.
    """

    def __init__(self, directory: Path, *buckets: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._ports = ports = free_ports(2 * len(_SERVERS))
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        identities = directory / "identities.json"
        credentials = [{"accessKey": KEY, "secretKey": SECRET}]
        identities.write_text(
            json.dumps({"identities": [{"name": "test", "credentials": credentials, "actions": ["Admin"]}]})
        )
        command = [
            *(
                str(Path(sysconfig.get_path("scripts")) / "weed"),
                "mini",
                f"-dir={directory}",
                f"-bucket={','.join(buckets)}",
            ),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={identities}", "-master.telemetry=false"),
            *(
                "-webdav=false",
                "-admin.ui=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
            ),
            *(f"-{server}.port={port}" for server, port in zip(_SERVERS, ports, strict=False)),
            *(f"-{server}.port.grpc={port}" for server, port in zip(_SERVERS, ports[len(_SERVERS) :], strict=True)),
        ]
        self._buckets = buckets
        super().__init__(command, directory.with_suffix(".log"))

    def __exit__(self, *failure: object) -> None:
        super().__exit__(*failure)
        for port in self._ports:  # sockets that it puts there whatever it is told
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()

    @property
    def configuration(self) -> str:
        """How clients find it, as a configuration file of Amazon's."""
        credentials = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}"
        return f"[default]\nendpoint_url = {self.endpoint}\nregion = {REGION}\n{credentials}\n"

    def client(self) -> Any:
        """Amazon's own client, for what a test arranges or looks at."""
        return self._client

    @cached_property
    def _client(self) -> Any:
        # Half a second of work, and the store is asked many times a second until it answers.
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name=REGION,
            config=_IMPATIENT,
        )

    def answers(self) -> bool:
        """Whether something can be written to every bucket."""
        s3 = self._client
        try:
            for bucket in self._buckets:
                s3.put_object(Bucket=bucket, Key=_PROBE, Body=b"")
                s3.delete_object(Bucket=bucket, Key=_PROBE)
        except (BotoCoreError, ClientError):
            return False
        return True
