"""How prompts grow over a show of 32 turns: what a provider's prefix cache can reuse, and how many words are sent."""

from pathlib import Path
from random import Random

from benchmarks.figures import Figure
from debate_caster.scenario import Rundown, Scenario, plan
from debate_caster.scenario.script import AgentScript, Format, ModelScript, Persona, PhaseScript, TurnScript
from debate_caster.show.prompt import Prompt, PromptDesk
from debate_caster.show.transcript import Speech

TURNS = 32
WORDS = 150
PERSONA_WORDS = 120
COMPACTED_AT = 1700
"""A ``compact_prompt_words`` that this show passes several times: its default, 6,000, lies beyond these 32 turns."""


def run() -> list[Figure]:
    figures = []
    for name, limit, least_share, most_words in (
        ("without compaction", None, 0.85, 84_000),
        (f"compacted past {COMPACTED_AT:,} words", COMPACTED_AT, 0.45, 44_000),
    ):
        prompts = build_prompts(limit)
        total = sum(prompt.words for prompt in prompts)
        share = shared_chars(prompts) / sum(len(prompt.text) for prompt in prompts)
        broken = sum(
            not later.text.startswith(earlier.text[: earlier.stable_chars])
            for earlier, later in zip(prompts[:-2], prompts[2:], strict=True)
        )
        epochs = 0 if limit is None else broken
        figures += [
            Figure(
                f"prompts that do not begin as the agent's last one did, {name}",
                broken,
                f"of {TURNS}",
                "= 0" if limit is None else "<= 8 (epochs)",
                broken == 0 if limit is None else broken <= 8,
                "each prompt up to its tail compared with the beginning of the same agent's next one",
            ),
            Figure(
                f"share of prompts that a prefix cache can reuse, {name}",
                share,
                "",
                f">= {least_share}",
                share >= least_share,
                f"longest common beginning with the same agent's last prompt, in characters, over all; {epochs} epochs",
            ),
            Figure(
                f"words sent in {TURNS} turns, {name}",
                total,
                "words",
                f"<= {most_words:,}",
                total <= most_words,
                f"2 debaters, {WORDS}-word turns, {PERSONA_WORDS}-word personas; everything in the messages is counted",
            ),
        ]
    return figures


def build_prompts(limit: int | None) -> list[Prompt]:
    """Return the prompts of a whole show whose speeches are as long as they may be."""
    scenario = make_scenario(limit)
    rundown: Rundown = plan(scenario)
    desk = PromptDesk(scenario, rundown, key=b"benchmark")
    random = Random(7)
    speeches: list[Speech] = []
    prompts = []
    for turn in rundown.turns:
        prompts.append(desk.build(turn, speeches))
        speeches.append(Speech(turn.index, turn.phase, turn.speaker, speech_of(random, WORDS), "completed"))
    return prompts


def shared_chars(prompts: list[Prompt]) -> int:
    """Return how many characters the same agent's last prompt began with, over all prompts."""
    last: dict[str, str] = {}
    shared = 0
    for prompt in prompts:
        text = prompt.text
        before = last.get(prompt.cue.speaker, "")
        low, high = 0, min(len(before), len(text))
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if before[:middle] == text[:middle] else (low, middle - 1)
        shared += low
        last[prompt.cue.speaker] = text
    return shared


def make_scenario(limit: int | None) -> Scenario:
    rounds = TURNS // 2
    turns = tuple(
        TurnScript(who=side, kind="rebuttal", words=WORDS, to="previous", instruction="Answer {to}'s strongest point.")
        for side in ("for", "against")
    )
    rules = Format(
        key="long-duel",
        title="Long duel",
        sides=("for", "against"),
        side_titles={"for": "Proposition", "against": "Opposition"},
        stances={"for": "for", "against": "against"},
        rules="Two speakers take turns. Speak about the arguments, never about the person. Concede what is true.",
        phases=(PhaseScript(key="clash", title="Clash", repeat=rounds, turns=turns),),
    )
    return Scenario(
        key="growth",
        path=Path("growth.yaml"),
        motion="Cities should close their centres to private cars within ten years.",
        title="Car-free centres",
        format=rules,
        agents=tuple(
            AgentScript(id=side, persona=make_persona(name), name=name, side=side, model="m")
            for side, name in (("for", "Wren Okafor"), ("against", "Otis Bell"))
        ),
        models={"m": ModelScript(name="m")},
        compact_prompt_words=limit,
    )


def make_persona(name: str) -> Persona:
    """Return a persona of ``PERSONA_WORDS`` words: style, beliefs and manner together."""
    random = Random(name)
    third = PERSONA_WORDS // 3
    return Persona(
        key="persona",
        name=name,
        style=speech_of(random, third),
        beliefs=(speech_of(random, third // 2), speech_of(random, third - third // 2)),
        manner=speech_of(random, third),
    )


def speech_of(random: Random, words: int) -> str:
    """Return ``words`` words in sentences of 10 to 24, of letters as in prose."""
    left, sentences = words, []
    while left:
        length = min(random.randint(10, 24), left)
        left -= length
        said = ["".join(random.choices("etaoinshrdlu", k=random.randint(2, 9))) for _ in range(length)]
        sentences.append(" ".join(said).capitalize() + ".")
    return " ".join(sentences)
