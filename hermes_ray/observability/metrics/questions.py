"""Metrics of questions, people's and standing ones."""

from hermes_ray.observability.metrics.table import counter, gauge, histogram, of_each, of_engine, of_memory

QUESTIONS = (
    counter(
        "hermes_questions_total",
        "Questions that reached a memory worker, whatever became of them.",
        of_memory(lambda c: c.questions),
    ),
    counter("hermes_answers_total", "Questions answered to the end.", of_memory(lambda c: c.engine.answers)),
    counter(
        "hermes_question_errors_total",
        "Questions that failed in a memory worker, by error code; cancelled ones are none.",
        of_each(lambda w: w.memory.question_errors if w.memory else {}),
        labels=("worker", "reason"),
    ),
    counter(
        "hermes_question_problems_total",
        "Questions that callers saw fail, by problem code, wherever the error arose; wrong fields apart.",
        lambda stats: (((code,), count) for code, count in stats.question_problems.items()),
        labels=("reason",),
    ),
    gauge("hermes_questions_waiting", "Questions without a seat.", of_engine(lambda s: s.questions_waiting)),
    gauge("hermes_questions_active", "Questions being answered.", of_engine(lambda s: s.questions_active)),
    histogram(
        "hermes_time_to_first_token_seconds",
        "From the engine's receipt of a question to the first token of its answer.",
        of_memory(lambda c: c.engine.first_token),
    ),
    histogram(
        "hermes_time_per_token_seconds",
        "From one token of an answer to its next.",
        of_memory(lambda c: c.engine.next_token),
    ),
    counter(
        "hermes_prompt_tokens_total",
        "Tokens of questions with their template, without the memory.",
        of_memory(lambda c: c.engine.prompt_tokens),
    ),
    counter("hermes_answer_tokens_total", "Tokens generated.", of_memory(lambda c: c.engine.answer_tokens)),
)

STANDING = (
    counter(
        "hermes_standing_evaluations_total",
        "Standing questions and journal lines that were due: `asked`, of these `failed`, or not asked as `unchanged`.",
        of_each(lambda w: w.memory.standing.evaluations if w.memory else {}),
        labels=("worker", "outcome"),
    ),
    histogram(
        "hermes_standing_evaluation_seconds",
        "From the frame at which something is due until it is answered; the stream's further frames wait.",
        of_memory(lambda c: c.standing.evaluation),
    ),
    counter(
        "hermes_events_total",
        "Events found, by kind; those of frames that were read again count again.",
        of_each(lambda w: w.memory.standing.events if w.memory else {}),
        labels=("worker", "kind"),
    ),
    counter(
        "hermes_events_published_total",
        "Events that the broker has confirmed, repeated ones too.",
        of_memory(lambda c: c.standing.published),
    ),
    counter(
        "hermes_events_unpublished_total",
        "Times that the broker did not take events; they stay with their streams and are sent again.",
        of_memory(lambda c: c.standing.unpublished),
    ),
    counter(
        "hermes_events_refused_total",
        "Events that the broker refuses for good, so that they became dead letters.",
        of_memory(lambda c: c.standing.refused),
    ),
    gauge(
        "hermes_events_waiting",
        "Events that the broker has not confirmed; at 100 of one stream its frames wait too.",
        lambda stats: (((n,), w.events_waiting) for n, w in stats.workers.items() if w.engine is not None),
    ),
    gauge(
        "hermes_event_outbox_fill_ratio",
        "Unconfirmed events of the stream that has most, over 100; at 1 its frames wait.",
        lambda stats: (((n,), w.fullest_outbox) for n, w in stats.workers.items() if w.engine is not None),
    ),
)
