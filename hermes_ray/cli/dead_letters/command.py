"""``hermes dead-letters``: look at records that could not be used, and publish them again."""

from collections import Counter, deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from hermes_ray.cli.console.exits import CommandFailed
from hermes_ray.cli.console.options import AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, result_console, write_json
from hermes_ray.cli.dead_letters.choice import LetterFilter, Republication, choose
from hermes_ray.cli.dead_letters.tables import as_json_row, letters_table
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import KafkaSettings
from hermes_ray.observability.logs import configure_logs

if TYPE_CHECKING:
    from hermes_ray.transport.dead_letter_topic import LetterId, StoredLetter
    from hermes_ray.transport.publisher import Delivery

dead_letters = typer.Typer(no_args_is_help=True, help="Look at records that could not be used; publish them again.")

_MOST_UNCONFIRMED = 16

Streams = Annotated[list[str] | None, typer.Option("--stream", help="Only records with this key. Repeatable.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", metavar="CODE", help="Only these. Repeatable.")]


@dead_letters.command("list")
def list_letters(
    stream: Streams = None,
    reason: Reasons = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the newest N.")] = 50,
    bootstrap: Bootstrap = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Show the dead-letter topic, newest last, and how many letters there are of each reason."""
    kafka = _kafka(config_file, assignments, bootstrap)
    letters, foreign = _read(kafka)
    matching = list(filter(LetterFilter(streams=stream or (), reasons=reason or ()).matches, letters))
    shown = deque(matching, maxlen=limit)
    by_reason = dict(Counter(stored.letter.reason for stored in matching).most_common())
    if as_json:
        rows = [as_json_row(stored) for stored in shown]
        found = {"topic": kafka.dead_letters_topic, "total": len(matching), "by_reason": by_reason, "foreign": foreign}
        write_json({**found, "letters": rows})
        return
    console = result_console()
    if shown:
        console.print(letters_table(shown))
    summary = ", ".join(f"{count} {code}" for code, count in by_reason.items()) or "none"
    console.print(f"{len(matching)} dead letters ({summary}), {len(shown)} shown", soft_wrap=True)
    if foreign:
        console.print(f"{foreign} records of {escape(kafka.dead_letters_topic)} are no dead letters", soft_wrap=True)


@dead_letters.command()
def republish(
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="[LETTER]...", help="PARTITION:OFFSET as the list shows it.")
    ] = None,
    stream: Streams = None,
    reason: Reasons = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Those too that were republished and came back.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")] = False,
    bootstrap: Bootstrap = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Publish the records of chosen dead letters again, with their own key, headers and time.

    Mend the cause first, or they come back. The letters themselves stay until the topic's retention removes them.
    """
    if everything == bool(letters or stream or reason):
        raise typer.BadParameter("name letters, --stream or --reason, or else --all")
    kafka = _kafka(config_file, assignments, bootstrap)
    meant = LetterFilter(_parse(letters or ()), stream or (), reason or ())
    found, _ = _read(kafka)
    if missing := set(meant.ids) - {stored.id for stored in found}:
        raise CommandFailed(f"{kafka.dead_letters_topic} holds no letter {', '.join(map(str, sorted(missing)))}")
    plan = choose(found, meant, again=again)
    _explain(plan)
    published = [] if dry_run else _republish(kafka, [stored.id for stored in plan.chosen])
    _report(plan, published, kafka, dry_run=dry_run, as_json=as_json)
    if plan.incomplete:
        ids = ", ".join(f"{stored.id} (without its whole {stored.letter.missing[0]})" for stored in plan.incomplete)
        raise CommandFailed(f"not published, because not all of the record was kept: {ids}. Send it from its source")


def _kafka(config_file: Path | None, assignments: list[str] | None, bootstrap: str | None) -> KafkaSettings:
    settings = load_settings(config_file, assignments, bootstrap).settings
    configure_logs(settings.log)
    return settings.kafka


def _parse(texts: Sequence[str]) -> "frozenset[LetterId]":
    from hermes_ray.transport.dead_letter_topic import LetterId

    try:
        return frozenset(map(LetterId.parse, texts))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _read(kafka: KafkaSettings) -> "tuple[list[StoredLetter], int]":
    """All letters, without their values, and the number of records that are none."""
    from hermes_ray.transport.dead_letter_topic import LetterId, read_letters

    letters: list[StoredLetter] = []
    foreign = 0
    console = progress_console()
    with Lifecycle(console.print), console.status("reading") as status:
        for item in read_letters(kafka):
            if isinstance(item, LetterId):
                foreign += 1
            else:
                letters.append(item.without_value())
            status.update(f"reading {escape(kafka.dead_letters_topic)}: {len(letters)} letters")
    return sorted(letters, key=lambda stored: (stored.written_ms, stored.id)), foreign


def _republish(kafka: KafkaSettings, ids: "Collection[LetterId]") -> "list[tuple[StoredLetter, Delivery]]":
    """Publish letters in order, each confirmed by the broker."""
    from hermes_ray.transport.dead_letter_topic import Republisher, read_chosen

    if not ids:
        return []
    console = progress_console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    published: list[tuple[StoredLetter, Delivery]] = []
    under_way: deque[tuple[StoredLetter, Future[Delivery]]] = deque()
    with Lifecycle(console.print) as lifecycle:
        republisher = Republisher(kafka)
        lifecycle.at_end(republisher.close)
        progress = lifecycle.enter(Progress(*columns, console=console))
        task = progress.add_task("publishing", total=len(ids))

        def settle(most_left: int) -> None:
            while len(under_way) > most_left:
                stored, delivery = under_way.popleft()
                published.append((stored, delivery.result()))
                progress.advance(task)

        for stored in read_chosen(kafka, ids):
            under_way.append((stored.without_value(), republisher.send(stored)))
            settle(_MOST_UNCONFIRMED)
        settle(0)
    return published


def _explain(plan: Republication) -> None:
    console = progress_console()
    if plan.replaced:
        console.print(f"{len(plan.replaced)} left out: there is a newer or an equal letter of the same record")
    if plan.returned:
        console.print(f"{len(plan.returned)} left out: republished before, and came back (--again sends them again)")


def _report(
    plan: Republication,
    published: "Sequence[tuple[StoredLetter, Delivery]]",
    kafka: KafkaSettings,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        landed = {
            str(stored.id): {"topic": delivery.topic, "partition": delivery.partition, "offset": delivery.offset}
            for stored, delivery in published
        }
        write_json(
            {
                "topic": kafka.frames_topic,
                "dry_run": dry_run,
                "chosen": [as_json_row(stored) for stored in plan.chosen],
                "published": landed,
                "incomplete": [str(stored.id) for stored in plan.incomplete],
                "returned": [str(stored.id) for stored in plan.returned],
                "replaced": [str(stored.id) for stored in plan.replaced],
            }
        )
        return
    from hermes_ray.transport.dead_letter_topic import target_of

    console = result_console()
    if dry_run and plan.chosen:
        console.print(letters_table(plan.chosen))
    count = f"{len(plan.chosen)} would be" if dry_run else f"{len(published)} of {len(plan.chosen)}"
    topics = sorted({target_of(kafka, stored) for stored in plan.chosen}) or [kafka.frames_topic]
    console.print(f"{count} published to {escape(' and '.join(topics))}", soft_wrap=True)
