"""``python -m debate_caster``."""

from debate_caster.cli.program import run_from_shell

run_from_shell()
