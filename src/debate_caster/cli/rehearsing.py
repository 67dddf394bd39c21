"""``rehearse``: the whole show in seconds, on a virtual clock, with the rehearsal model in every part."""

from itertools import islice

from debate_caster.cli.past_shows import table
from debate_caster.cli.printable import printable, printable_line, wrapped
from debate_caster.cli.scenario_remarks import remarks_on
from debate_caster.cli.session import ENDED_EARLY, RAN, Session
from debate_caster.cli.standing import clock_time
from debate_caster.cli.views import ending
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.episodes.annals import Annals, Archive
from debate_caster.episodes.series import Series
from debate_caster.episodes.staging import coming_motions
from debate_caster.errors import SetupError
from debate_caster.llm.workshop import open_llm
from debate_caster.log import MemoryEventLog
from debate_caster.runner import ShowOutcome, run_show
from debate_caster.scenario import Rundown, Scenario, load_scenario, plan
from debate_caster.scenario.script import ModelScript
from debate_caster.show.forecast import Forecast, forecast
from debate_caster.show.recounting import export_markdown
from debate_caster.show.transcript import Speech

__all__ = ["rehearse"]

EPISODES_AHEAD = 5
"""How many motions to come are told."""


def rehearse(session: Session) -> int:
    """Perform the show in virtual time and print its rundown, its length, and the most it may call and cost."""
    options = session.options
    scenario = load_scenario(
        options.scenario,
        env=session.environment,
        secrets_required=False,
        shortest_period_s=session.settings.shortest_period_s,
    )
    for remark in remarks_on(scenario, everybody_rehearses=True):
        session.remark(remark)
    if scenario.season is None and options.episode > 1:
        raise SetupError(
            f"{scenario.key} has no season, so it has no episode {options.episode}", "Leave --episode out."
        )
    archive = Archive(None)
    episode, outcome = run_virtual(lambda clock: _perform(scenario, archive, options.episode, options.seed, clock))
    rundown = plan(episode)
    for line in _report(session, episode, rundown, outcome, forecast(episode, rundown)):
        session.say(line)
    for line in [*_remembered(episode), *_season(scenario, archive.read(scenario.key))]:
        session.say(printable(line))
    if options.transcript:
        session.say("")
        session.say(printable(export_markdown(outcome.transcript)).rstrip("\n"))
    return RAN if outcome.ended.why == "completed" else ENDED_EARLY


def _rehearsed(script: ModelScript) -> ModelScript:
    """Return the rehearsal model in the place of any other, with the same name."""
    return script if script.provider == "rehearsal" else ModelScript(name=script.name)


async def _perform(
    scenario: Scenario, archive: Archive, episodes: int, seed: int, clock: VirtualClock
) -> tuple[Scenario, ShowOutcome]:
    """Perform with the rehearsal model in the place of every other, as far as the last episode; no socket is opened."""
    offline = scenario.moderation.model_copy(update={"provider": None, "hook": None})
    scenario = scenario.model_copy(update={"moderation": offline})
    llms = {name: open_llm(_rehearsed(script), clock=clock, seed=seed) for name, script in scenario.models.items()}
    source = scenario.season.topic_from if scenario.season else None
    log = MemoryEventLog()
    series = Series(archive, log, clock=clock, llm=llms[source.llm] if source else None)
    number = 1
    while True:
        show = f"rehearsal-of-{scenario.key}" + (f"-{number}" if number > 1 else "")
        episode = await series.stage(scenario, show)
        outcome = await run_show(episode, llms=llms, log=log, clock=clock, seed=seed + number - 1, show_id=show)
        await series.conclude(scenario, show)
        if number == episodes:
            return episode, outcome
        number += 1


def _remembered(episode: Scenario) -> list[str]:
    """Return what each agent of an episode remembers, as its prompts have it."""
    recaps = [(agent.name, agent.recollection.text) for agent in episode.agents if agent.recollection is not None]
    return [] if not recaps else ["", *(f"{name} remembers: {text}" for name, text in recaps)]


def _season(scenario: Scenario, annals: Annals) -> list[str]:
    """Return what comes after an episode, as far as that can be told before."""
    if scenario.season is None or not scenario.season.has_topics:
        return []
    ahead = islice(coming_motions(scenario, annals), EPISODES_AHEAD)
    return ["", "The episodes after this one:"] + [
        f"  {number}  {motion or 'a motion that the model thinks of'}" for number, motion in ahead
    ]


def _report(session: Session, scenario: Scenario, rundown: Rundown, outcome: ShowOutcome, most: Forecast) -> list[str]:
    columns = session.columns
    lines = [*wrapped(printable_line(scenario.motion), columns - 1), ""]
    speeches = {speech.turn: speech for speech in outcome.transcript.speeches}
    names = {agent.id: agent.name for agent in scenario.agents}
    started = outcome.transcript.started
    rows = []
    for turn in rundown.turns:
        speech = speeches.get(turn.index)
        at = speech.started_at if speech else None
        rows.append((
            str(turn.index + 1),
            clock_time((at - started.at).total_seconds()) if at and started else "-",
            str(speech.words) if speech else "-",
            str(turn.max_words),
            rundown.phases[turn.phase].title,
            f"{names[turn.speaker]} · {turn.role or turn.kind}" + _mark(speech),
        ))  # fmt: skip
    lines += table(("TURN", "ON AIR", "WORDS", "AT MOST", "PHASE", "SPEAKER"), rows, columns=columns)
    lines += ["", ending(outcome.ended), *_figures(scenario, outcome, most)]
    return lines


def _mark(speech: Speech | None) -> str:
    """Say how a turn ended, where it was not simply spoken to its end."""
    if speech is None:
        return " (not reached)"
    return "" if speech.how == "completed" else f" ({speech.how})"


def _figures(scenario: Scenario, outcome: ShowOutcome, most: Forecast) -> list[str]:
    """Return what the show took here, and the most it may take on air."""
    started, ended = outcome.transcript.started, outcome.ended
    length = (ended.at - started.at).total_seconds() if started else 0.0
    words = sum(speech.words for speech in outcome.transcript.speeches)
    lines = [
        f"Length {clock_time(length)} with the rehearsal model, {words} words; {clock_time(most.longest_s)} at most.",
        f"Seed {outcome.seed}; another --seed gives another debate.",
        "",
        f"At worst, every turn tried again as often as it may be, {most.turns} turns take "
        f"{most.calls} calls, {most.prompt_tokens:,} tokens read and {most.completion_tokens:,} written.",
    ]
    lines += [
        f"  {part.model}: {part.calls} calls, {part.prompt_tokens:,} read, {part.completion_tokens:,} written"
        + (f", {part.cost:.4f} of the budget's currency" if part.priced else "")
        for part in most.models
    ]
    if any(part.priced for part in most.models):
        lines.append(f"Money: at most {most.cost:.4f}.")
    elif any(scenario.models[part.model].provider != "rehearsal" for part in most.models):
        lines.append("Money: not known; give the models a `price` to see it.")
    if most.limits:
        lines.append(f"The budget's limit on {' and '.join(most.limits)} may close the show before its end.")
    return lines
