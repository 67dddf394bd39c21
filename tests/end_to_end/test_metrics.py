"""The figures of a real ``serve`` that has given a show, and what people are told of them."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from debate_caster.calendar.ledger import Ledger
from tests.end_to_end.programs import running, write_scenario

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
TOKEN = "who-may-read-all-figures"
SCHEDULE = {"cron": "0 20 * * FRI", "timezone": "Europe/Paris"}

ADDED_BY_PROMETHEUS = {"job", "instance"}
METRIC = re.compile(r"\b(debate_caster_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


class Scrape:
    """What ``/metrics`` has shown."""

    def __init__(self, text: str) -> None:
        self.families: list[Metric] = list(text_string_to_metric_families(text))

    @cached_property
    def labels(self) -> Mapping[str, Mapping[str, set[str]]]:
        """The labels of every sample's name, and the values of each."""
        found: dict[str, dict[str, set[str]]] = {}
        for family in self.families:
            for sample in family.samples:
                for label, value in sample.labels.items():
                    found.setdefault(sample.name, {}).setdefault(label, set()).add(value)
                found.setdefault(sample.name, {})
        return found

    @cached_property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The labels of every figure by its name, that of a counter with its ``_total``."""
        return {
            family.name + ("_total" if family.type == "counter" else ""): tuple(
                sorted({label for sample in family.samples for label in sample.labels} - {"le"})
            )
            for family in self.families
        }

    def value(self, name: str, **labels: str) -> float:
        (value,) = [
            sample.value
            for family in self.families
            for sample in family.samples
            if (sample.name, sample.labels) == (name, labels)
        ]
        return value


async def scraped(stage: str, token: str = TOKEN) -> Scrape:
    def get() -> str:
        request = Request(f"{stage}/metrics", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - our own
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - our own stage
            return str(answer.read(), "utf-8")

    return Scrape(await asyncio.to_thread(get))


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard, and what names its result."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"], target["legendFormat"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"^label_values\((.*), \w+\)$", r"\1", variable["query"]["query"]), ""


def problems_of(expression: str, legend: str, scrape: Scrape) -> list[str]:
    """Say what a query asks for that is not there."""
    problems, shown = [], set(ADDED_BY_PROMETHEUS)
    asked = METRIC.findall(expression)
    for name, matchers in asked:
        labels = scrape.labels.get(name)
        if labels is None:
            problems.append(f"there is no {name}")
            continue
        shown |= labels.keys()
        for label, how, value in MATCHER.findall(matchers):
            if label in ADDED_BY_PROMETHEUS:
                continue
            if label not in labels or (how in {"=", "!="} and value not in labels[label]):
                problems.append(f"{name} has no {label}={value!r}")
    for grouping in GROUPING.findall(expression):
        problems += [f"nothing has a {label}" for label in re.split(r"[\s,]+", grouping.strip()) if label not in shown]
    problems += [f"no result has a {label}" for label in re.findall(r"{{(\w+)}}", legend) if label not in expression]
    return problems if asked else [f"nothing is asked: {expression}"]


@pytest.mark.timeout(90)
async def test_the_dashboard_and_the_documentation_name_what_a_served_show_makes_the_metrics_show(
    tmp_path: Path,
) -> None:
    (tmp_path / "plans").mkdir()
    price = {"input_per_million": "1", "output_per_million": "2"}
    model = {"provider": "rehearsal", "first_token_s": 0, "words_per_s": 1000, "price": price}
    write_scenario(tmp_path / "plans", schedule=SCHEDULE, models={"rehearsal": model})
    env = {"DEBATE_CASTER_METRICS_TOKEN": TOKEN, "DEBATE_CASTER_LOG_FORMAT": "json"}
    async with running("serve", "plans", "--port", "0", cwd=tmp_path, env=env) as program:
        stage = await program.line("Stage:")
        async with aclosing(Ledger(tmp_path / "data/debate-caster/calendar.db")) as ledger, asyncio.timeout(60):
            await ledger.ask("homework", datetime.now(UTC))
            while not [row for row in await ledger.history() if row.ended_at]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        scrape = await scraped(stage)
        with pytest.raises(HTTPError, match="401"):
            await scraped(stage, "")
        program.signal(signal.SIGTERM)
        assert await program.ended() == 0

    every = list(queries())
    assert len(every) > 30
    assert [found for expression, legend in every if (found := problems_of(expression, legend, scrape))] == []
    asked = {name for expression, _ in every for name, _ in METRIC.findall(expression)}
    assert {name for name in scrape.names if not any(other.startswith(name) for other in asked)} == set()
    assert scrape.names == dict(told_of_to_operators())

    assert scrape.value("debate_caster_shows_ended_total", why="completed") == 1
    assert scrape.value("debate_caster_chunks_total") > 4
    assert scrape.value("debate_caster_scenarios", state="on") == 1
    money = scrape.value("debate_caster_money_spent_total", provider="rehearsal", persona="wren")
    read, written = (
        scrape.value(f"debate_caster_tokens_{how}_total", provider="rehearsal", persona="wren")
        for how in ("read", "written")
    )
    assert money == pytest.approx((read + 2 * written) / 1e6, rel=1e-3)
    assert TOKEN not in "".join(program.stderr)
    (started,) = [json.loads(line) for line in program.stderr if '"show_started"' in line]
    assert started["show"].startswith("homework-")


def told_of_to_operators() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The names of figures in the table, each with its labels."""
    table = OPERATING.partition("\n## Metrics and log\n")[2].partition("\n## ")[0]
    for line in table.splitlines():
        if row := re.match(r"\| `(debate_caster_\w+)` \|([^|]*)\|", line):
            yield row[1], tuple(sorted(re.findall(r"`(\w+)`", row[2])))


def test_the_dashboard_has_room_for_every_panel() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] and panel["targets"] for panel in panels if panel["type"] != "row")


@pytest.mark.parametrize(
    ("expression", "legend", "problem"),
    [
        ("rate(debate_caster_thunks_total[1h])", "", "there is no debate_caster_thunks_total"),
        ('debate_caster_shows{state="dead"}', "", "debate_caster_shows has no state='dead'"),
        ('debate_caster_shows{stat=~".*"}', "", "debate_caster_shows has no stat='.*'"),
        ("sum by (who) (debate_caster_shows)", "", "nothing has a who"),
        ("sum(debate_caster_shows)", "{{state}}", "no result has a state"),
        ("vector(1)", "", "nothing is asked: vector(1)"),
    ],
)
def test_a_query_that_asks_for_what_is_not_there_is_noticed(expression: str, legend: str, problem: str) -> None:
    scrape = Scrape('# TYPE debate_caster_shows gauge\ndebate_caster_shows{state="on_air"} 1\n')

    assert problems_of(expression, legend, scrape) == [problem]
    assert problems_of('sum by (state, job) (debate_caster_shows{state="on_air"})', "{{state}}", scrape) == []
