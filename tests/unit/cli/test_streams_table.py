"""What ``hermes streams`` shows in a terminal of 80 columns."""

from typing import get_args

from hermes_ray.cli.commands.streams import streams_table
from hermes_ray.cluster.wire.protocol import memory_worker_name
from hermes_ray.config import PolicyName
from tests.terminal import lines_of, lines_with
from tests.unit.cli.listed import stream


def test_a_stream_keeps_its_name_its_policy_and_its_worker():
    listed = [
        stream(
            id=f"entrance-north-{number}",
            policy=policy,
            worker=memory_worker_name(number),
            frames_seen=1_234_567,
            compactions=12_345,
            frames_shed=120,
        )
        for number, policy in enumerate(get_args(PolicyName), start=95)
    ]
    lines = lines_of(streams_table(listed))
    for each in listed:
        (line,) = lines_with(each.id, lines)
        assert {each.policy, each.worker} < set(line.split())


def test_a_very_long_stream_name_goes_on_below_and_is_not_cut():
    name = "building-7/floor-3/corridor-west/" + "camera-" * 20
    lines = lines_of(streams_table([stream(id=name, worker=memory_worker_name(123))]))
    assert "".join(line.partition(" ")[0] for line in lines) == "stream" + name
    assert lines_with("memory-123", lines)
