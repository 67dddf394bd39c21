"""``check`` and ``schema``: what authors ask before anything goes on air. No socket is opened."""

import json

from debate_caster.cli.printable import printable
from debate_caster.cli.session import BAD_INPUT, RAN, Session
from debate_caster.scenario import author_schema
from debate_caster.scenario import check as find_problems

__all__ = ["check", "schema"]


def check(session: Session) -> int:
    """Report every problem of the files named; say so where there is none."""
    problems = find_problems(
        session.options.paths,
        session.environment,
        secrets_required=session.options.environment,
        shortest_period_s=session.settings.shortest_period_s,
    )
    for problem in problems:
        session.say(printable(str(problem)))
    if problems:
        return BAD_INPUT
    if not session.options.quiet:
        session.say(printable(f"no problem in {', '.join(map(str, session.options.paths))}"))
    return RAN


def schema(session: Session) -> int:
    """Print the JSON Schema of a kind of file."""
    session.say(json.dumps(author_schema(session.options.kind), indent=2, ensure_ascii=True))
    return RAN
