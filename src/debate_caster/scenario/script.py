"""What a scenario says, as values: the result of loading, with every default filled in.

Everything here is frozen and strict: unknown keys are refused, since a typo must hurt its author and nobody else.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = [
    "AgentScript",
    "Audience",
    "Budget",
    "Format",
    "ModelScript",
    "Pacing",
    "Persona",
    "PhaseScript",
    "Price",
    "Scenario",
    "TargetScript",
    "TurnKind",
    "TurnScript",
    "Voice",
]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
TurnKind = Literal["opening", "speech", "rebuttal", "question", "answer", "exchange", "moderation", "closing"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Voice(_Strict):
    """Hints for a speech synthesiser; every one optional."""

    lang: str = ""
    name: str = ""
    pitch: float = Field(default=1.0, ge=0.1, le=2.0)
    rate: float = Field(default=1.0, ge=0.1, le=3.0)


class Persona(_Strict):
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


class Price(_Strict):
    """Money for a million tokens, in the currency of the budget."""

    input_per_million: Decimal = Field(ge=0)
    output_per_million: Decimal = Field(ge=0)


class ModelScript(_Strict):
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
    price: Price | None = None
    first_token_s: float = Field(default=0.5, ge=0, le=60, description="rehearsal only")
    words_per_s: float = Field(default=12.0, gt=0, description="rehearsal only")
    faults: tuple[str, ...] = Field(default=(), description="rehearsal only: one for each call, in order; '' is none")


class AgentScript(_Strict):
    """A persona with a side and a model. ``id`` is unique in the scenario."""

    id: Name
    persona: Persona
    name: str
    side: str | None = None
    model: Name
    moderator: bool = False


class Pacing(_Strict):
    """How text reaches the air."""

    chars_per_second: float = Field(default=20.0, gt=0, le=1000)
    min_interval_s: float = Field(default=2.0, ge=0, le=60)
    gap_s: float = Field(default=1.5, ge=0, le=60)
    max_chunk_chars: int = Field(default=280, ge=40, le=3500)
    read_ahead: bool = True
    lead_min_s: float = Field(default=0.5, ge=0, le=60)
    lead_max_s: float = Field(default=4.0, ge=0, le=60)


class Audience(_Strict):
    """What viewers may do."""

    hints: bool = True
    max_hints_per_turn: int = Field(default=3, ge=0, le=10)
    max_hint_chars: int = Field(default=280, ge=20, le=1000)
    hint_interval_s: float = Field(default=5.0, ge=0, le=3600, description="for each viewer")
    hint_lifetime_turns: int = Field(default=6, ge=1, le=100)
    filter: tuple[str, ...] = ()
    air_thoughts: bool = False


class TargetScript(_Strict):
    """Where to broadcast besides the stage of the command line."""

    name: Name
    url: str
    token: SecretStr | None = None
    mirror: bool = True


class Budget(_Strict):
    """Hard limits of one show; None is no limit."""

    max_minutes: float | None = Field(default=60.0, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    max_cost: Decimal | None = Field(default=None, gt=0)


class TurnScript(_Strict):
    """A turn of a format.

    ``who`` names a side, a side and its n-th speaker (``for.2``), ``moderator``, ``each`` (every debater in order) or
    ``each-side``.
    """

    who: str
    role: str = ""
    kind: TurnKind = "speech"
    words: int = Field(default=150, ge=10, le=1500)
    instruction: str
    to: str = ""
    if_moderator: bool = Field(default=False, description="leave this turn out where the scenario has no moderator")


class PhaseScript(_Strict):
    """A phase of a format: its turns, ``repeat`` times."""

    key: Name
    title: str
    repeat: int = Field(default=1, ge=1, le=50)
    turns: tuple[TurnScript, ...]


class Format(_Strict):
    """The rules of a debate: a data file."""

    key: Name
    title: str
    description: str = ""
    sides: tuple[str, ...] = ()
    side_titles: dict[str, str] = {}
    stances: dict[str, Literal["for", "against", "neutral"]] = {}
    min_agents: int = Field(default=2, ge=2, le=12)
    max_agents: int = Field(default=2, ge=2, le=12)
    agents_per_side: int | None = Field(default=None, ge=1, le=6)
    moderator: Literal["none", "optional", "required"] = "optional"
    rules: str = ""
    phases: tuple[PhaseScript, ...]


class Scenario(_Strict):
    """A whole scenario, loaded: personas and format resolved, secrets read from the environment."""

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
    targets: tuple[TargetScript, ...] = ()
    budget: Budget = Budget()
    compact_prompt_words: int | None = Field(default=6000, ge=500)
