"""What happens to metrics in each trouble, and when its alert is to fire and to clear."""

from collections.abc import Mapping
from dataclasses import dataclass

HERE, THERE = 'namespace="video", job="hermes"', 'namespace="lab", job="hermes"'
BUILD = "hermes_build_info"


@dataclass(frozen=True)
class Case:
    """One trouble.

    Attributes:
        name: of the case, for people.
        series: values by name and labels, one a minute, in Prometheus' notation for tests.
        firing: at which moments how many series of the alert fire.
    """

    alert: str
    name: str
    series: Mapping[str, str]
    firing: Mapping[str, int]

    @property
    def fires_and_clears(self) -> bool:
        counts = list(self.firing.values())
        return any(counts) and counts[0] == 0 and counts[-1] == 0


def of(metric: str, job: str = HERE, **labels: str) -> str:
    """A series."""
    pairs = [f'{name}="{value}"' for name, value in labels.items()]
    return f"{metric}{{{', '.join([job, *pairs])}}}"


def ingest(metric: str, **labels: str) -> str:
    """A series of an ingest worker."""
    return of(metric, worker="ingest-0", **labels)


def memory(metric: str, **labels: str) -> str:
    """A series of a memory worker."""
    return of(metric, worker="memory-0", **labels)


def silent(seconds: int) -> str:
    """The series of streams that have been silent for so long."""
    return memory("hermes_streams_silent", seconds=str(seconds))


def slow(metric: str, target: str, beyond: str) -> Mapping[str, str]:
    """A histogram that gets ten values a minute: for half an hour beyond the target, and then within it."""
    return {
        memory(f"{metric}_bucket", le=target): "0x30 10+10x50",
        memory(f"{metric}_bucket", le=beyond): "0+10x81",
        memory(f"{metric}_bucket", le="+Inf"): "0+10x81",
    }


DEAD_LETTERS, RECORDS = "hermes_dead_letters_total", ingest("hermes_records_total")
DROPPED = "hermes_frames_dropped_total"
LAG = "hermes_kafka_lag_records"
OUTBOX, BEHIND = "hermes_event_outbox_fill_ratio", "hermes_event_delivery_behind_seconds"
STILL = {
    ingest("hermes_clock_steps_total"): "0x60",
    ingest(DEAD_LETTERS, reason="implausible-time"): "0x60",
}

CASES = (
    Case(
        "HermesMetricsMissing",
        "one of two installations",
        {of(BUILD, HERE, version="1"): "1x10 stale _x29 1x30", of(BUILD, THERE, version="1"): "1x70"},
        {"9m": 0, "14m": 0, "17m": 1, "39m": 1, "42m": 0},
    ),
    Case(
        "HermesMetricsMissing",
        "one that was taken away for good is forgotten after a day",
        {of(BUILD, HERE, version="1"): "1x10 stale", of(BUILD, THERE, version="1"): "1x1600"},
        {"9m": 0, "20m": 1, "23h": 1, "24h30m": 0},
    ),
    Case(
        "HermesMetricsMissing",
        "the only one",
        {of(BUILD, HERE, version="1"): "1x10 stale _x1500 1x20"},
        {"9m": 0, "17m": 1, "25h": 1, "25h18m": 0},
    ),
    Case("HermesMetricsMissing", "there has never been any", {"up": "1x60"}, {"4m": 0, "10m": 1}),
    Case(
        "HermesMetricsMissing",
        "an upgrade changes the version",
        {of(BUILD, HERE, version="1"): "1x10 stale", of(BUILD, HERE, version="2"): "_x10 1x90"},
        {"9m": 0, "17m": 0, "60m": 0},
    ),
    Case(
        "HermesCoordinatorDown",
        "for five minutes",
        {of("hermes_coordinator_up"): "1x10 0x4 1x20"},
        {"9m": 0, "13m": 1, "17m": 0},
    ),
    Case(
        "HermesWorkerDown",
        "one of two",
        {
            memory("hermes_worker_up", role="memory"): "1x10 0x9 1x20",
            ingest("hermes_worker_up", role="ingest"): "1x40",
        },
        {"9m": 0, "12m": 0, "15m": 1, "22m": 0},
    ),
    Case(
        "HermesWorkerRestarting",
        "every other minute",
        {memory("hermes_worker_restarts_total", role="memory"): "0x10 1 1 2 2 3 3 4 4 5 5 5x60"},
        {"10m": 0, "14m": 0, "20m": 1, "45m": 0},
    ),
    Case(
        "HermesNobodyReads",
        "the next cluster of an upgrade is gone, and then another takes over",
        {
            of("hermes_cluster_phase", phase="holding", instance="old"): "1x10 0x40",
            of("hermes_cluster_phase", phase="holding", instance="new"): "_x9 0x10 stale _x10 1x20",
        },
        {"10m": 0, "14m": 0, "17m": 1, "29m": 1, "32m": 0},
    ),
    Case(
        "HermesNobodyReads",
        "one takes over from the other",
        {
            of("hermes_cluster_phase", phase="holding", instance="old"): "1x10 0x40",
            of("hermes_cluster_phase", phase="holding", instance="new"): "0x11 1x40",
        },
        {"10m": 0, "20m": 0, "45m": 0},
    ),
    Case(
        "HermesKafkaDown",
        "for ten minutes",
        {ingest("hermes_kafka_up"): "1x10 0x9 1x20"},
        {"9m": 0, "15m": 1, "22m": 0},
    ),
    Case(
        "HermesLagGrowing",
        "and then caught up",
        {ingest(LAG, partition="3"): "0x10 20+20x40 0x30"},
        {"10m": 0, "17m": 0, "35m": 1, "55m": 0},
    ),
    Case(
        "HermesPartitionStuck",
        "one is held, the others go on",
        {ingest(LAG, partition="3"): "0x10 40x30 0x30", ingest(LAG, partition="4"): "1 0 0 2 1 0 3 1 1 0 0x70"},
        {"10m": 0, "18m": 0, "30m": 1, "45m": 0},
    ),
    Case(
        "HermesPartitionStuck",
        "it moved to another worker meanwhile",
        {
            of(LAG, worker="ingest-0", partition="3"): "0x10 40x10 stale",
            of(LAG, worker="ingest-1", partition="3"): "_x21 40x20 0x20",
        },
        {"10m": 0, "38m": 1, "50m": 0},
    ),
    Case(
        "HermesRetentionNear",
        "nothing is read for three quarters of an hour",
        {ingest("hermes_kafka_waiting_seconds", partition="3"): "0x10 0+60x45 0x20"},
        {"30m": 0, "40m": 0, "50m": 1, "65m": 0},
    ),
    Case(
        "HermesLagHigh",
        "half an hour",
        slow("hermes_capture_to_askable_seconds", "10", "30"),
        {"9m": 0, "25m": 1, "45m": 0},
    ),
    Case(
        "HermesStreamsLeftOut",
        "until its clock has caught up",
        {
            ingest("hermes_streams_left_out"): "0x10 1x30 0x30",
            ingest(DROPPED, reason="late"): "0x10 60+60x30 1860x30",
            ingest(DROPPED, reason="sampling"): "0+60x70",
        },
        {"10m": 0, "18m": 0, "30m": 1, "45m": 0},
    ),
    Case(
        "HermesStreamsLeftOut",
        "until its camera is taken down",
        {
            ingest("hermes_streams_left_out"): "0x10 1x60",
            ingest(DROPPED, reason="doubted"): "0x10 60+60x30 1860x30",
        },
        {"10m": 0, "30m": 1, "60m": 0},
    ),
    Case(
        "HermesStreamsLeftOut",
        "frames that are out of order now and then",
        {ingest("hermes_streams_left_out"): "0x70", ingest(DROPPED, reason="late"): "0+3x70"},
        {"10m": 0, "60m": 0},
    ),
    Case(
        "HermesAllStreamsSilent",
        "the cameras' switch",
        # Of four streams one is retired.
        {silent(300): "1x10 4x20 1x20", silent(86400): "1x50", memory("hermes_streams", place="slot"): "4x50"},
        {"10m": 0, "15m": 1, "35m": 0},
    ),
    Case(
        "HermesAllStreamsSilent",
        "one of them goes on",
        {silent(300): "1x10 3x40", silent(86400): "1x50", memory("hermes_streams", place="slot"): "4x50"},
        {"10m": 0, "45m": 0},
    ),
    Case(
        "HermesAllStreamsSilent",
        "all are retired",
        {silent(300): "4x50", silent(86400): "4x50", memory("hermes_streams", place="slot"): "4x50"},
        {"10m": 0, "45m": 0},
    ),
    Case(
        "HermesStreamsSilent",
        # One of the streams was silent before; the other stops after ten minutes.
        "told after minutes, given up after a day",
        {silent(300): "1x15 2x1600", silent(86400): "1x1450 2x165"},
        {"10m": 0, "14m": 0, "19m": 1, "23h": 1, "24h30m": 0},
    ),
    Case(
        "HermesCaptureTimesWrong",
        "a clock was set",
        STILL | {ingest("hermes_clock_steps_total"): "0x10 1x50"},
        {"9m": 0, "12m": 1, "40m": 0},
    ),
    Case(
        "HermesCaptureTimesWrong",
        "a time cannot be right",
        STILL | {ingest(DEAD_LETTERS, reason="implausible-time"): "0x10 1x50"},
        {"9m": 0, "12m": 1, "40m": 0},
    ),
    Case(
        "HermesRecordsLost",
        "once",
        {ingest("hermes_records_lost_total"): "0x10 500x50"},
        {"9m": 0, "12m": 1, "40m": 0},
    ),
    Case(
        "HermesSnapshotsBehind",
        "the store is away for ten minutes",
        {memory("hermes_snapshot_behind_seconds"): "10x10 60+60x9 5x20"},
        {"10m": 0, "16m": 1, "25m": 0},
    ),
    Case(
        "HermesSnapshotsRefused",
        "two were damaged",
        {memory("hermes_snapshots_refused_total"): "0x10 2x50"},
        {"9m": 0, "12m": 1, "40m": 0},
    ),
    Case(
        "HermesEventsNotKept",
        "the database is away for twenty minutes",
        {of("hermes_event_sink_up"): "1x10 0x20 1x20"},
        {"15m": 0, "25m": 1, "35m": 0},
    ),
    Case(
        "HermesEventsBehind",
        "the database takes less than comes, for half an hour",
        {of("hermes_event_sink_lag_records"): "0x10 5000x30 0x30"},
        {"9m": 0, "18m": 0, "35m": 1, "60m": 0},
    ),
    Case(
        "HermesEventsBehind",
        "a burst now and then",
        {of("hermes_event_sink_lag_records"): "0x5 5000x1 0x5 9000x1 0x5 5000x1 0x40"},
        {"6m": 0, "15m": 0, "30m": 0},
    ),
    Case(
        "HermesEventsUnpublished",
        "the broker refuses them for twenty minutes",
        {memory("hermes_events_unpublished_total"): "0x10 1+10x20 201x30", memory(OUTBOX): "0x60"},
        {"9m": 0, "20m": 1, "50m": 0},
    ),
    Case(
        "HermesEventsUnpublished",
        "the broker does not answer, and a stream finds much",
        {memory("hermes_events_unpublished_total"): "0x60", memory(OUTBOX): "0x10 0.02+0.1x9 1x20 0x30"},
        {"9m": 0, "30m": 1, "55m": 0},
    ),
    Case(
        "HermesEventsUnpublished",
        "one is refused for good, and waits no more",
        {memory("hermes_events_refused_total"): "0x10 1x60", memory(OUTBOX): "0x70"},
        {"9m": 0, "20m": 1, "40m": 0},
    ),
    Case(
        "HermesDeliveryBehind",
        "a receiver is away for half an hour, another takes everything",
        {
            of(BEHIND, target="webhook:door"): "0x10 60+60x30 0x20",
            of(BEHIND, target="mqtt"): "0x60",
        },
        {"9m": 0, "20m": 0, "35m": 1, "55m": 0},
    ),
    Case(
        "HermesDeliveriesGivenUp",
        "two events, refused for good",
        {of("hermes_event_deliveries_given_up_total", target="webhook:door"): "0x10 2x60"},
        {"9m": 0, "15m": 1, "40m": 0},
    ),
    Case(
        "HermesStandingQuestionsLate",
        "half an hour",
        slow("hermes_standing_evaluation_seconds", "10", "30"),
        {"12m": 0, "25m": 1, "45m": 0},
    ),
    Case(
        "HermesDeadLetters",
        "a camera sends rubbish for half an hour",
        {RECORDS: "0+100x80", ingest(DEAD_LETTERS, reason="undecodable-media"): "0x10 5+5x30 155x40"},
        {"9m": 0, "30m": 1, "70m": 0},
    ),
    Case(
        "HermesPlacesRunningOut",
        "until a worker joins",
        {
            memory("hermes_streams", place="slot"): "8x60",
            memory("hermes_streams", place="parked"): "40x10 60x50",
            memory("hermes_places"): "72x60",
            of("hermes_places", worker="memory-1"): "_x40 72x20",
        },
        {"10m": 0, "15m": 0, "25m": 1, "45m": 0},
    ),
    Case(
        "HermesPlacesRunningOut",
        "streams on disk have no limit",
        {memory("hermes_streams", place="parked"): "100000x60"},
        {"10m": 0, "50m": 0},
    ),
    Case(
        "HermesStreamsRefused",
        "a camera too many",
        {ingest(DEAD_LETTERS, reason="no-free-slot"): "0x10 5+5x10 55x40"},
        {"9m": 0, "15m": 1, "50m": 0},
    ),
    Case(
        "HermesFirstTokenSlow",
        "half an hour",
        slow("hermes_time_to_first_token_seconds", "2", "5"),
        {"9m": 0, "25m": 1, "45m": 0},
    ),
    Case(
        "HermesQuestionsFailing",
        "for half an hour, one in ten",
        {
            memory("hermes_answers_total"): "0+90x80",
            of("hermes_question_problems_total", reason="overloaded"): "0x10 10+10x30 310x40",
            of("hermes_question_problems_total", reason="unknown-stream"): "0+90x80",
            of("hermes_question_problems_total", reason="rate-limited"): "0+90x80",
        },
        {"9m": 0, "30m": 1, "70m": 0},
    ),
)
