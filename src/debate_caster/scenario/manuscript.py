"""What authors write: the shape of scenario, persona and format files, before anything is looked up or filled in.

Editors get these as JSON Schema, so every key says what it is for. ``script`` holds what becomes of them.
"""

from typing import Annotated, Any, Literal

import regex  # type: ignore[import-untyped]  # comes without types
from pydantic import AfterValidator, Discriminator, Field, Tag

from debate_caster.scenario.script import (
    DEFAULT_BEFORE_S,
    DEFAULT_NOTICES,
    LONGEST_UNWANTED,
    Audience,
    Budget,
    LanguageTag,
    Memory,
    Name,
    NoticeFormat,
    NoticeKind,
    Pacing,
    PhaseScript,
    Price,
    Schedule,
    Stance,
    Strict,
    TopicSource,
    Voice,
)

__all__ = [
    "ANNOUNCE_URL",
    "COLOR",
    "LIST_FILE",
    "LONGEST_ADDRESS",
    "MOST_AGENTS",
    "MOST_MODELS",
    "NULLABLE",
    "REFERENCE",
    "REHEARSAL",
    "AgentEntry",
    "AnnounceEntry",
    "FormatFile",
    "GuestEntry",
    "HookEntry",
    "ModelEntry",
    "ModerationEntry",
    "PersonaFile",
    "ScenarioFile",
    "SeasonEntry",
    "SideEntry",
    "TargetEntry",
]

REHEARSAL = "rehearsal"
"""The name of the model of a scenario that names none: built in, needs no network."""

MOST_MODELS = 20
"""Of a scenario. Where more stand in a file, which is reported, a misspelt name is compared with these alone."""

MOST_AGENTS = 12
"""Debaters of a scenario; for the rest as for models."""

NULLABLE = frozenset({"compact_prompt_words", "max_cost", "max_minutes", "max_tokens"})
"""Keys that may be null, which lifts the limit; everywhere else null is a value that was forgotten."""

COLOR = r"^#[0-9a-fA-F]{6}$"
LINE = r"^[^\n\t]*\S[^\n\t]*$"
REFERENCE = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"
LIST_FILE = r"^[^/\\\s.][^/\\]*\.txt$"
HTTP_URL = r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$"
ANNOUNCE_URL = r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|https?://[^\s/@?#]+([/?][^\s#]*)?)$"
LONGEST_ADDRESS = 2000
"""Characters of an address: what servers take at least. To take one apart needs the square of its length where it holds
nothing but marks that stand on letters."""

WEBSOCKET_URL = r"^wss?://[^\s/@?#]+(/[^\s@?#]*)?$"


def _one_grapheme(text: str) -> str:
    if not regex.fullmatch(r"\X", text) or text.isspace():
        raise ValueError("an emoji is one character as people see them")
    return text


def _kind_of(value: object) -> str:
    return "text" if isinstance(value, str) else "mapping"


def _one_or_several(value: object) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


Line = Annotated[str, Field(pattern=LINE, max_length=120)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Motion = Annotated[str, Field(pattern=LINE, max_length=400)]
PersonName = Annotated[str, Field(pattern=LINE, max_length=40)]
SecretReference = Annotated[str, Field(pattern=REFERENCE)]


class PersonaFile(Strict):
    """Who speaks. The name of the file is the persona's key."""

    name: PersonName = Field(description="What viewers read beside every speech.")
    emoji: Annotated[str, AfterValidator(_one_grapheme)] = Field(
        default="🤖", min_length=1, max_length=32, description="One emoji, the persona's face."
    )
    color: str = Field(
        default="#c44dff", pattern=COLOR, description="As '#rrggbb', in quotes; legible on dark and on light."
    )
    style: Text = Field(description="How the persona speaks: tone, pace, figures of speech.")
    beliefs: tuple[Annotated[str, Field(min_length=1, max_length=400)], ...] = Field(
        default=(), max_length=20, description="What the persona holds true, whatever the side."
    )
    manner: str = Field(default="", max_length=4000, description="How the persona treats opponents and the audience.")
    thanks_viewers: bool = Field(default=True, description="Whether hints are answered by the viewer's name.")
    voice: Voice = Field(default=Voice(), description="Hints for a speech synthesiser.")


class SideEntry(Strict):
    """One side of a format."""

    title: Line = Field(description="Name for people, such as Proposition.")
    stance: Stance = Field(description="What the side thinks of the motion.")


class FormatFile(Strict):
    """The rules of a debate. The name of the file is the format's key."""

    title: Line = Field(description="Name for people.")
    description: str = Field(default="", max_length=2000, description="What sort of debate this is, for people.")
    sides: dict[Name, SideEntry] = Field(
        default={}, max_length=6, description="The sides by name, in speaking order; leave out where nobody has one."
    )
    min_agents: int | None = Field(default=None, ge=2, le=12, description="Fewest debaters; the moderator is none.")
    max_agents: int | None = Field(default=None, ge=2, le=12, description="Most debaters.")
    agents_per_side: int | None = Field(default=None, ge=1, le=6, description="How many debaters each side must have.")
    moderator: Literal["none", "optional", "required"] = Field(
        default="optional", description="Whether a moderator takes part."
    )
    rules: str = Field(default="", max_length=4000, description="What every agent is told about this format.")
    phases: tuple[PhaseScript, ...] = Field(min_length=1, max_length=40, description="In order.")


class AgentEntry(Strict):
    """One debater, or the moderator."""

    persona: Annotated[
        Annotated[Name, Tag("text")] | Annotated[PersonaFile, Tag("mapping")], Discriminator(_kind_of)
    ] = Field(description="A file in personas/, without its '.yaml'; or a persona written out here.")
    side: Name | None = Field(default=None, description="The side to argue, where the format has sides.")
    model: Name | None = Field(default=None, description="One of 'models'; otherwise the scenario's 'model'.")
    name: PersonName | None = Field(default=None, description="Instead of the persona's name.")
    id: Name | None = Field(default=None, description="For hints and links; otherwise the persona's key.")


Member = Annotated[Annotated[Name, Tag("text")] | Annotated[AgentEntry, Tag("mapping")], Discriminator(_kind_of)]


class ModelEntry(Strict):
    """A model: the built-in rehearsal model, or one behind any server that speaks the OpenAI API."""

    provider: Literal["rehearsal", "openai"] = Field(
        default="rehearsal", description="rehearsal needs no network; openai is any server that speaks its API."
    )
    base_url: str | None = Field(
        default=None,
        pattern=HTTP_URL,
        max_length=LONGEST_ADDRESS,
        description="openai: the server, such as http://localhost:11434/v1.",
    )
    model: Line | None = Field(default=None, description="openai: the model's name at the server.")
    api_key: SecretReference | None = Field(
        default=None, description="openai: ${NAME} of an environment variable; a key itself never stands in a file."
    )
    temperature: float | None = Field(default=None, ge=0, le=2, description="openai: 0 is dry, 1 is usual.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="openai: share of the likeliest words.")
    seed: int | None = Field(default=None, ge=0, description="openai: where the server takes one.")
    extra: dict[str, Any] | None = Field(default=None, description="openai: more fields for the request's body.")
    thinks: bool = Field(
        default=False, description="openai: replies begin in thought and say so only at its end, with </think>."
    )
    allow_private: bool = Field(
        default=False, description="openai: the server is in a private network (one on this machine needs no leave)."
    )
    fallback: Name | None = Field(
        default=None, description="One of 'models', which is asked when this one has failed before its first word."
    )
    price: Price | None = Field(default=None, description="What tokens cost; needed where the budget limits money.")
    first_token_s: float = Field(default=0.5, ge=0, le=60, description="rehearsal: seconds of thinking.")
    words_per_s: float = Field(default=12.0, gt=0, le=10_000, description="rehearsal: speed of writing.")
    faults: tuple[str, ...] = Field(
        default=(), max_length=1000, description="rehearsal: a fault for each call in order; '' is none."
    )


class HookEntry(Strict):
    """Anybody's HTTP endpoint that says whether a text may be aired; docs/protocol.md says how it is asked."""

    url: str = Field(
        pattern=HTTP_URL,
        max_length=LONGEST_ADDRESS,
        description="The address that gets a POST for each piece of a speech.",
    )
    secret: SecretReference | None = Field(
        default=None, description="${NAME} of an environment variable; every request is signed with it."
    )
    timeout_s: float = Field(default=3.0, ge=0.1, le=30, description="How long an answer may take, in seconds.")
    allow_private: bool = Field(
        default=False, description="The endpoint is in a private network (one on this machine needs no leave)."
    )


class ModerationEntry(Strict):
    """Who looks at every piece of a speech before it is aired; nothing is that anybody objects to or nobody answers."""

    words: Annotated[
        Annotated[str, Field(pattern=LIST_FILE, max_length=120), Tag("one")]
        | Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_UNWANTED)], ...],
            Field(max_length=2000),
            Tag("several"),
        ],
        Discriminator(_one_or_several),
    ] = Field(
        default=(),
        description="Words that no agent may say, whole ones, in any case: a list, or a .txt file beside the scenario "
        "with one a line.",
    )
    shipped_words: bool = Field(default=True, description="Whether the words that come with the program count as well.")
    provider: Name | None = Field(
        default=None,
        description="One of 'models', a moderation model: its server's endpoint for that is asked about every text.",
    )
    hook: HookEntry | None = Field(default=None, description="An endpoint of your own that is asked.")


class TargetEntry(Strict):
    """A server to broadcast to, besides the stage of the command line."""

    name: Name = Field(description="Short name for logs.")
    url: str = Field(
        pattern=WEBSOCKET_URL,
        max_length=LONGEST_ADDRESS,
        description="A WebSocket address, such as wss://host/path.",
    )
    token: SecretReference | None = Field(default=None, description="${NAME} of an environment variable.")
    mirror: bool = Field(default=True, description="Whether each room shows the other agents' lines as well.")
    allow_private: bool = Field(
        default=False, description="The server is in a private network (one on this machine needs no leave)."
    )


class AnnounceEntry(Strict):
    """Who is told by HTTP that the show is scheduled, starts soon, is live or has ended."""

    url: str = Field(
        pattern=ANNOUNCE_URL,
        max_length=LONGEST_ADDRESS,
        description="The address that gets a POST: ${NAME} of an environment variable where it is a secret, as those "
        "of Discord and Slack are; or https://….",
    )
    secret: SecretReference | None = Field(
        default=None, description="json: ${NAME} of an environment variable; every request is signed with it."
    )
    format: NoticeFormat = Field(
        default="json", description="json: everything, for programs; discord and slack: a message for a channel."
    )
    on: tuple[NoticeKind, ...] = Field(
        default=DEFAULT_NOTICES,
        min_length=1,
        max_length=4,
        description="What is told. 'scheduled' and 'starting_soon' are for shows that 'serve' gives by a schedule.",
    )
    before_s: int = Field(
        default=DEFAULT_BEFORE_S, ge=30, le=604_800, description="How long before it a show starts soon, in seconds."
    )
    allow_private: bool = Field(
        default=False, description="The address is in a private network (one on this machine needs no leave)."
    )


class GuestEntry(Strict):
    """A seat whose persona changes from episode to episode."""

    seat: Name = Field(description="The id of an agent; its own persona comes first.")
    pool: tuple[Name, ...] = Field(
        min_length=1, max_length=50, description="Files in personas/, without '.yaml': who sits there after that."
    )


class SeasonEntry(Strict):
    """What changes from one show of the scenario to the next: each is an episode."""

    topics: Annotated[
        Annotated[str, Field(pattern=LIST_FILE, max_length=120), Tag("one")]
        | Annotated[tuple[Motion, ...], Field(min_length=1, max_length=1000), Tag("several")],
        Discriminator(_one_or_several),
    ] = Field(
        default=(),
        description="The episodes' motions, none twice until all have had their turn: a list, or a .txt file beside "
        "the scenario with one a line.",
    )
    order: Literal["rotating", "shuffled"] = Field(
        default="rotating", description="rotating: the topics as they stand; shuffled: in an order made of the seed."
    )
    seed: int = Field(default=0, ge=0, description="shuffled: another number, another order.")
    topic_from: TopicSource | None = Field(
        default=None, description="A model that thinks of each motion; 'topics' stand in where it can't."
    )
    swap_sides: bool = Field(default=False, description="Whether every episode moves everybody on to the next side.")
    guests: tuple[GuestEntry, ...] = Field(default=(), max_length=12, description="Seats whose persona changes.")
    memory: Memory | None = Field(default=None, description="Whether personas remember earlier episodes; {} is a yes.")


class ScenarioFile(Strict):
    """A debate: what about, who, by which rules."""

    motion: Motion | None = Field(
        default=None, description="The sentence that is debated; left out where the season has topics."
    )
    title: Line | None = Field(default=None, description="Instead of the motion, where the show is listed.")
    language: LanguageTag = Field(default="en", description="Language tag of all speeches, such as en or pt-BR.")
    background: str = Field(default="", max_length=20_000, description="Facts that every agent is given.")
    format: Name = Field(description="A shipped format, or a file in formats/ without its '.yaml'.")
    agents: tuple[Member, ...] = Field(
        min_length=2, max_length=MOST_AGENTS, description="The debaters, in speaking order."
    )
    moderator: Member | None = Field(default=None, description="Who introduces, hands over and closes.")
    model: Name | None = Field(default=None, description="The model of agents that name none; otherwise the first.")
    models: dict[Name, ModelEntry] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_MODELS,
        description="Models by name; without them, the rehearsal model.",
    )
    pacing: Pacing = Field(default=Pacing(), description="How text reaches the air.")
    audience: Audience = Field(default=Audience(), description="What viewers may do.")
    moderation: ModerationEntry = Field(
        default=ModerationEntry(), description="Who looks at every piece of a speech before it is aired."
    )
    targets: tuple[TargetEntry, ...] = Field(default=(), max_length=10, description="Where else to broadcast to.")
    announce: tuple[AnnounceEntry, ...] = Field(
        default=(), max_length=10, description="Who is told of the show by HTTP: webhooks, Discord, Slack."
    )
    budget: Budget = Field(default=Budget(), description="Limits that close the show politely.")
    schedule: Annotated[
        Annotated[Schedule, Tag("one")]
        | Annotated[tuple[Schedule, ...], Field(min_length=1, max_length=20), Tag("several")],
        Discriminator(_one_or_several),
    ] = Field(default=(), description="When `serve` gives the show by itself; one entry, or a list of them.")
    season: SeasonEntry | None = Field(
        default=None, description="What changes from show to show: motions, sides, guests, what personas remember."
    )
    compact_prompt_words: int | None = Field(
        default=6000, ge=500, le=1_000_000, description="Above so many words, prompts are shortened; null is never."
    )
