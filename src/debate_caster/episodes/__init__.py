"""Series: what changes from one show of a scenario to the next, and what is remembered of earlier ones."""
