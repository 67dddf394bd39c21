"""What a scenario says, as values: the result of loading, with every default filled in.

Everything here is frozen and strict: unknown keys are refused, since a typo must hurt its author and nobody else.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

__all__ = [
    "DEFAULT_BEFORE_S",
    "DEFAULT_NOTICES",
    "LANGUAGE",
    "LONGEST_UNWANTED",
    "MOST_UNWANTED",
    "NAME",
    "AgentScript",
    "AnnounceScript",
    "Audience",
    "Budget",
    "Format",
    "GuestSeat",
    "HookScript",
    "LanguageTag",
    "Memory",
    "ModelScript",
    "Moderation",
    "Name",
    "NoticeFormat",
    "NoticeKind",
    "Pacing",
    "Persona",
    "PhaseScript",
    "Price",
    "Recollection",
    "Scenario",
    "Schedule",
    "Season",
    "Stance",
    "Strict",
    "TargetScript",
    "TopicSource",
    "TurnKind",
    "TurnScript",
    "Voice",
]

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
LANGUAGE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"

Name = Annotated[str, Field(pattern=NAME)]
Stance = Literal["for", "against", "neutral"]
TurnKind = Literal["opening", "speech", "rebuttal", "question", "answer", "exchange", "moderation", "closing"]

NoticeKind = Literal["scheduled", "starting_soon", "live", "ended"]
NoticeFormat = Literal["json", "discord", "slack"]

DEFAULT_NOTICES: Final[tuple[NoticeKind, ...]] = ("starting_soon", "live", "ended")
DEFAULT_BEFORE_S: Final = 600
"""How long before a show it is said that it starts soon, in seconds: long enough to come, too short to forget it."""

LanguageTag = Annotated[str, Field(pattern=LANGUAGE, max_length=35)]


class Strict(BaseModel):
    """Frozen, without coercion, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Voice(Strict):
    """Hints for a speech synthesiser; every one optional."""

    lang: LanguageTag = Field(default="", description="Language tag, such as en-GB.")
    name: str = Field(default="", max_length=80, description="A voice by name, where the listener's machine has it.")
    pitch: float = Field(default=1.0, ge=0.1, le=2.0, description="1.0 is the voice's own.")
    rate: float = Field(default=1.0, ge=0.1, le=3.0, description="1.0 is the voice's own.")


class Persona(Strict):
    """Who speaks: a file in ``personas/``."""

    key: Name
    name: str
    emoji: str = "🤖"
    color: str = "#c44dff"
    style: str
    beliefs: tuple[str, ...] = ()
    manner: str = ""
    thanks_viewers: bool = True
    voice: Voice = Voice()


class Price(Strict):
    """Money for a million tokens, in the currency of the budget."""

    input_per_million: Decimal = Field(ge=0, description="For a million tokens read.")
    output_per_million: Decimal = Field(ge=0, description="For a million tokens written.")


class ModelScript(Strict):
    """One named model of the scenario. ``rehearsal`` needs no network; ``openai`` is any OpenAI-compatible server."""

    name: Name
    provider: Literal["rehearsal", "openai"] = "rehearsal"
    base_url: str = ""
    model: str = ""
    api_key: SecretStr | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    extra: dict[str, object] = {}
    thinks: bool = False
    allow_private: bool = False
    fallback: Name | None = None
    price: Price | None = None
    first_token_s: float = Field(default=0.5, ge=0, le=60, description="rehearsal only")
    words_per_s: float = Field(default=12.0, gt=0, description="rehearsal only")
    faults: tuple[str, ...] = Field(default=(), description="rehearsal only: one for each call, in order; '' is none")


class Recollection(Strict):
    """What an agent remembers of earlier episodes, in words for its prompt; and of whom it met last, for a cue.

    ``result`` is how the meeting with ``rival`` about ``earlier`` went for the agent, empty where nobody voted.
    """

    text: str
    rival: str = ""
    earlier: str = ""
    result: Literal["won", "lost", "tied", ""] = ""


class AgentScript(Strict):
    """A persona with a side and a model. ``id`` is unique in the scenario."""

    id: Name
    persona: Persona
    name: str
    side: str | None = None
    model: Name
    moderator: bool = False
    recollection: Recollection | None = None


class Pacing(Strict):
    """How text reaches the air."""

    chars_per_second: float = Field(
        default=20.0, gt=0, le=1000, description="Reading speed; 20 is as if read aloud (183 words a minute)."
    )
    min_interval_s: float = Field(
        default=2.0, ge=0, le=60, description="Least time between two chunks of one agent, in seconds."
    )
    gap_s: float = Field(default=1.5, ge=0, le=60, description="Pause between two turns, in seconds.")
    max_chunk_chars: int = Field(default=280, ge=40, le=3500, description="Longest chunk, in characters.")
    read_ahead: bool = Field(default=True, description="Ask the next speaker's model before the current speech ends.")
    lead_min_s: float = Field(
        default=0.5, ge=0, le=60, description="How long before its turn a model is asked, at least; in seconds."
    )
    lead_max_s: float = Field(
        default=4.0,
        ge=0,
        le=60,
        description="How early before its turn a model is asked, at most; hints count until then.",
    )

    @model_validator(mode="after")
    def _lead_in_order(self) -> Self:
        if self.lead_min_s > self.lead_max_s:
            raise ValueError(f"lead_min_s ({self.lead_min_s:g}) must not be above lead_max_s ({self.lead_max_s:g})")
        return self


class Audience(Strict):
    """What viewers may do."""

    hints: bool = Field(default=True, description="Whether viewers may give hints.")
    max_hints_per_turn: int = Field(default=3, ge=0, le=10, description="How many hints one prompt takes.")
    max_hint_chars: int = Field(default=280, ge=20, le=1000, description="Longest hint, in characters.")
    hint_interval_s: float = Field(
        default=5.0, ge=0, le=3600, description="Least time between two hints of one viewer, in seconds."
    )
    approval: bool = Field(
        default=False, description="Whether hints wait for the show's producer, who approves or declines each."
    )
    hint_lifetime_turns: int = Field(default=6, ge=1, le=100, description="After how many turns a hint expires.")
    filter: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] = Field(
        default=(), max_length=500, description="Words that no hint may hold; whole words, in any case."
    )
    air_thoughts: bool = Field(default=False, description="Whether viewers may see the models' thinking.")
    votes: Literal["swing", "single", "off"] = Field(
        default="off",
        description="swing: the audience votes before the first argument and after the last, and the side that gained "
        "the larger share wins. single: after the last alone.",
    )
    vote_s: float = Field(default=20.0, ge=5, le=600, description="How long a vote is open at least, in seconds.")


class HookScript(Strict):
    """Whom to ask by HTTP whether a text may be aired; docs/protocol.md says how."""

    url: str
    secret: SecretStr | None = None
    timeout_s: float = Field(default=3.0, ge=0.1, le=30, description="How long an answer may take, in seconds.")
    allow_private: bool = False


LONGEST_UNWANTED = 80
"""In characters: a word or phrase that nobody may say."""

MOST_UNWANTED = 10_000
"""Words and phrases that nobody may say: to look for so many in a chunk of 280 characters takes 10 ms, unless many
begin alike for long."""


class Moderation(Strict):
    """Who looks at every piece of a speech before it is aired; nothing is that anybody objects to or nobody answers.

    ``words`` are whole words or phrases, in any case; ``shipped_words`` says whether those that come with the program
    count as well. ``provider`` names a model whose server's moderation endpoint is asked.
    """

    words: tuple[str, ...] = ()
    shipped_words: bool = True
    provider: Name | None = None
    hook: HookScript | None = None


class TargetScript(Strict):
    """Where to broadcast besides the stage of the command line."""

    name: Name
    url: str
    token: SecretStr | None = None
    mirror: bool = True
    allow_private: bool = False


class AnnounceScript(Strict):
    """Whom to tell of the show by HTTP, of what and in which form; docs/announcements.md says what is sent.

    The address is a secret where the file names a variable, and None where that is not set and need not be.
    """

    url: SecretStr | None
    secret: SecretStr | None = None
    format: NoticeFormat = "json"
    on: tuple[NoticeKind, ...] = DEFAULT_NOTICES
    before_s: int = DEFAULT_BEFORE_S
    allow_private: bool = False

    @property
    def address(self) -> str:
        """The address in clear; empty where there is none."""
        return "" if self.url is None else self.url.get_secret_value()


class Budget(Strict):
    """Hard limits of one show; null is no limit."""

    max_minutes: float | None = Field(default=60.0, gt=0, le=1440, description="Minutes on air; null is no limit.")
    max_tokens: int | None = Field(default=None, gt=0, description="Tokens read and written, over all models.")
    max_cost: Decimal | None = Field(default=None, gt=0, description="Money, in the currency of the models' prices.")
    max_outage_s: float = Field(
        default=300.0,
        ge=0,
        le=3600,
        description="How long the show waits in all for models that are out before it ends, in seconds.",
    )


class Schedule(Strict):
    """When the show is given again and again. A slot is an instant that the cron names in its time zone."""

    cron: str = Field(description="Five fields in quotes, such as '0 20 * * FRI'; minute, hour, day, month, weekday.")
    timezone: str = Field(description="An IANA time zone, such as Europe/Paris.")
    grace_s: int = Field(
        default=300,
        ge=0,
        le=86_400,
        description="How late the newest missed slot may still start, in seconds; 30 s is never too late.",
    )
    overlap: Literal["skip", "queue", "replace"] = Field(
        default="skip",
        description="What a slot does while the last show still runs: skip it, wait for its end, or end that show.",
    )
    jitter_s: int = Field(
        default=0, ge=0, le=3600, description="Each slot starts up to so many seconds late, always as many."
    )
    until: date | None = Field(default=None, description="The last day, as 'YYYY-MM-DD' in quotes, in the time zone.")
    count: int | None = Field(default=None, ge=1, le=100_000, description="After so many shows it is over.")
    blackout: tuple[date, ...] = Field(
        default=(), max_length=1000, description="Days without a show, as 'YYYY-MM-DD' in quotes, in the time zone."
    )


class TopicSource(Strict):
    """A model that thinks of each episode's motion."""

    llm: Name = Field(description="One of 'models'.")
    about: str = Field(min_length=1, max_length=400, description="What the motions are to be about.")


class Memory(Strict):
    """What personas remember of earlier episodes: who they met, what about, and how it ended."""

    words: int = Field(default=120, ge=40, le=1000, description="Longest recap, however many episodes there were.")


class GuestSeat(Strict):
    """An agent whose persona changes: the file's own first, then each of the pool, and round again."""

    seat: Name
    pool: tuple[Persona, ...]


class Season(Strict):
    """What changes from one episode of a scenario to the next. Without topics, not its motion."""

    topics: tuple[str, ...] = ()
    order: Literal["rotating", "shuffled"] = "rotating"
    seed: int = 0
    topic_from: TopicSource | None = None
    swap_sides: bool = False
    guests: tuple[GuestSeat, ...] = ()
    memory: Memory | None = None

    @property
    def has_topics(self) -> bool:
        return bool(self.topics or self.topic_from)


class TurnScript(Strict):
    """A turn of a format.

    ``who`` names a side (whose speakers take turns), a side and its n-th speaker (``for.2``; counted round where the
    team is smaller), ``moderator``, ``each`` (every debater in order) or ``each-side`` (one speaker of each side).
    ``to`` names whom the turn addresses: as ``who``, but for one agent, or ``previous`` (the debater who spoke last).
    """

    who: str = Field(description="A side, a side's n-th speaker (for.2), moderator, each (every debater) or each-side.")
    role: str = Field(default="", max_length=80, description="What the speaker is in this turn, for people.")
    kind: TurnKind = Field(default="speech", description="What sort of turn it is.")
    words: int = Field(default=150, ge=10, le=1500, description="Where the speech is clipped, in words.")
    instruction: str = Field(
        min_length=1,
        max_length=2000,
        description="What the agent is asked to do. {next}, {to} and {side} stand for names.",
    )
    opener_instruction: str = Field(
        default="",
        max_length=2000,
        description="Instead of instruction, for whoever speaks before any opponent has: nothing to answer yet.",
    )
    to: str = Field(default="", description="Whom the turn addresses: a side, for.2, moderator or previous.")
    if_moderator: bool = Field(default=False, description="Leave this turn out where the scenario has no moderator.")


class PhaseScript(Strict):
    """A phase of a format: its turns, ``repeat`` times."""

    key: Name = Field(description="Short name for programs.")
    title: str = Field(min_length=1, max_length=80, description="Name for people.")
    repeat: int = Field(default=1, ge=1, le=50, description="How many times the turns are gone through.")
    turns: tuple[TurnScript, ...] = Field(min_length=1, max_length=60, description="In order.")


class Format(Strict):
    """The rules of a debate: a data file."""

    key: Name
    title: str
    description: str = ""
    sides: tuple[str, ...] = ()
    side_titles: dict[str, str] = {}
    stances: dict[str, Stance] = {}
    min_agents: int = Field(default=2, ge=2, le=12)
    max_agents: int = Field(default=2, ge=2, le=12)
    agents_per_side: int | None = Field(default=None, ge=1, le=6)
    moderator: Literal["none", "optional", "required"] = "optional"
    rules: str = ""
    phases: tuple[PhaseScript, ...]


class Scenario(Strict):
    """A whole scenario, loaded: personas and format resolved, secrets read from the environment.

    With a ``season`` it is a series: each show of it is an episode, and ``episodes`` says what about and with whom.
    """

    key: Name
    path: Path
    motion: str
    title: str
    language: str = "en"
    background: str = ""
    format: Format
    agents: tuple[AgentScript, ...]
    models: dict[str, ModelScript]
    pacing: Pacing = Pacing()
    audience: Audience = Audience()
    moderation: Moderation = Moderation()
    targets: tuple[TargetScript, ...] = ()
    announce: tuple[AnnounceScript, ...] = ()
    budget: Budget = Budget()
    schedule: tuple[Schedule, ...] = ()
    season: Season | None = None
    compact_prompt_words: int | None = Field(default=6000, ge=500)

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """Every secret in it, to be kept out of what is printed."""
        hook = [self.moderation.hook.secret] if self.moderation.hook is not None else []
        told = [secret for script in self.announce for secret in (script.url, script.secret)]
        keys, tokens = [model.api_key for model in self.models.values()], [target.token for target in self.targets]
        return tuple(secret for secret in (*keys, *tokens, *hook, *told) if secret is not None)

    def models_for(self, name: str) -> tuple[ModelScript, ...]:
        """Return the model of this name and those that stand in for it, in the order in which they are asked."""
        chain = [self.models[name]]
        while (following := chain[-1].fallback) is not None and following not in {script.name for script in chain}:
            chain.append(self.models[following])
        return tuple(chain)
