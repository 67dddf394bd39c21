"""``python -m debate_caster``."""

from debate_caster.cli.command_line import run_from_shell

run_from_shell()
