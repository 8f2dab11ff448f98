"""The building blocks of every dashboard: queries, panels with unit and description, variables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

SELECTED = 'job=~"$job", worker=~"$worker"'
"""Label matchers that the variables fill in."""

FIRST_TOKEN_TARGETS = ("0.1", "0.25", "0.5", "1.0", "2.5", "5.0")
LAG_TARGETS = ("1.0", "2.5", "5.0", "10.0", "30.0", "60.0")
"""Targets to pick from, seconds: bounds of the histograms' buckets, since only these can be counted exactly."""

_DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_NO_TRAFFIC = models.SpecialValueMap(
    options=models.DashboardSpecialValueMapOptions(
        match=models.SpecialValueMatch.NULL_AND_NAN,
        result=models.ValueMappingResult(text="no traffic", color="text"),
    )
)


@dataclass(frozen=True)
class Query:
    """One query of a panel, PromQL, and the legend of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        unit: Grafana's name of the unit, such as ``s`` or ``reqps``.
        text: what it shows and what to do about it; the description is this and the metrics.
        metrics: names of the metrics behind it.
        form: a single number, the names of the series (for ``_info`` metrics), or lines over time.
        alarm: a number from which on it is red.
        width: of the 24 columns.
    """

    title: str
    unit: str
    text: str
    metrics: tuple[str, ...]
    queries: tuple[Query, ...]
    form: Literal["number", "names", "lines"] = "lines"
    alarm: float | None = None
    width: int = 8


def per_second(metric: str, by: str = "worker") -> str:
    """Rate of a counter, summed up by labels."""
    return f"sum by ({by}) (rate({metric}{{{SELECTED}}}[$__rate_interval]))"


def total(metric: str, by: str = "worker") -> str:
    """A gauge, summed up by labels."""
    return f"sum by ({by}) ({metric}{{{SELECTED}}})"


def mean(histogram: str, by: str = "worker") -> str:
    """Mean of a histogram's values."""
    return f"{per_second(f'{histogram}_sum', by)} / {per_second(f'{histogram}_count', by)}"


def quantiles(histogram: str) -> tuple[Query, ...]:
    """Median, 95th and 99th percentile of a histogram over all selected workers."""
    buckets = per_second(f"{histogram}_bucket", "le")
    return tuple(Query(f"histogram_quantile({q}, {buckets})", f"p{round(q * 100)}") for q in (0.5, 0.95, 0.99))


def share_within(histogram: str, target: str) -> str:
    """Share of a histogram's values up to a target, which is one of its bucket bounds."""
    within = f'sum(rate({histogram}_bucket{{{SELECTED}, le="{target}"}}[$__rate_interval]))'
    return f"{within} / sum(rate({histogram}_count{{{SELECTED}}}[$__rate_interval]))"


def board(uid: str, title: str, description: str, rows: Sequence[tuple[str, Sequence[Panel]]]) -> models.Dashboard:
    """A whole dashboard.

    Args:
        uid: under which links find it.
        title: after ``hermes-ray / ``.
        description: what it is for.
        rows: titles and panels.
    """
    dashboard = (
        builders.Dashboard(f"hermes-ray / {title}")
        .uid(uid)
        .description(description)
        .tags(["hermes-ray"])
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(_link_to_the_others())
        .variables(_variables())
        .annotation(_deployments())
    )
    number = 0
    for row, panels in rows:
        dashboard.with_row(builders.Row(row))
        for panel in panels:
            number += 1
            dashboard.with_panel(_built(panel).id(number))
    return dashboard.build()


def _built(panel: Panel) -> stat.Panel | timeseries.Panel:
    builder = _lines() if panel.form == "lines" else _number()
    if isinstance(builder, stat.Panel) and panel.form == "names":
        builder = builder.text_mode(common.BigValueTextMode.NAME)
    builder = (
        builder.title(panel.title)
        .description(f"{panel.text} Metric: {', '.join(panel.metrics)}")
        .unit(panel.unit)
        .span(panel.width)
        .datasource(_DATASOURCE)
        .mappings([_NO_TRAFFIC])
        .no_value("no traffic")
        .thresholds(_thresholds(panel.alarm))
    )
    for index, query in enumerate(panel.queries):
        builder = builder.with_target(
            prometheus.Dataquery()
            .expr(query.expr)
            .legend_format(query.legend)
            .ref_id(chr(ord("A") + index))
            .range()
            .datasource(_DATASOURCE)
        )
    return builder


def _number() -> stat.Panel:
    newest = common_builders.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().height(4).reduce_options(newest).color_mode(common.BigValueColorMode.VALUE)


def _lines() -> timeseries.Panel:
    legend = (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    tooltip = common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    return timeseries.Panel().height(8).legend(legend).tooltip(tooltip).fill_opacity(10).min(0)


def _thresholds(alarm: float | None) -> builders.ThresholdsConfig:
    steps = [models.Threshold(color="green", value=None)]
    if alarm is not None:
        steps.append(models.Threshold(color="red", value=alarm))
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _variables() -> list[Builder[models.VariableModel]]:
    return [
        builders.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels("job", "Installation", "label_values(hermes_build_info, job)"),
        _labels("worker", "Worker", 'label_values(hermes_worker_up{job=~"$job"}, worker)'),
        _target("slo_first_token", "First token within (s)", FIRST_TOKEN_TARGETS, "1.0"),
        _target("slo_lag", "Askable within (s)", LAG_TARGETS, "5.0"),
    ]


def _labels(name: str, label: str, query: str) -> builders.QueryVariable:
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(_DATASOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(everything)
    )


def _target(name: str, label: str, choices: Sequence[str], chosen: str) -> builders.CustomVariable:
    options = [models.VariableOption(selected=choice == chosen, text=choice, value=choice) for choice in choices]
    current = next(option for option in options if option.selected)
    return builders.CustomVariable(name).label(label).values(",".join(choices)).options(options).current(current)


def _deployments() -> builders.AnnotationQuery:
    """A mark where another version, or another head, begins to answer."""
    answering = 'count by (job, version, instance) (hermes_build_info{job=~"$job"}'
    return (
        builders.AnnotationQuery()
        .name("Deployments")
        .datasource(_DATASOURCE)
        .enable(True)
        .icon_color("blue")
        .expr(f"{answering}) unless {answering} offset 2m)")
    )


def _link_to_the_others() -> builders.DashboardLink:
    return (
        builders.DashboardLink("hermes-ray")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags(["hermes-ray"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
