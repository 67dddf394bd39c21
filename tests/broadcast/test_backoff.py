from random import Random

from debate_caster.broadcast.backoff import Backoff


def test_waits_double_to_a_limit_with_a_quarter_of_jitter() -> None:
    backoff = Backoff(Random(3), first_s=2.0, longest_s=60.0)
    waits = [backoff.next_s() for _ in range(9)]
    for wait, nominal in zip(waits, [2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert 0.75 * nominal <= wait <= min(1.25 * nominal, 60.0)
    assert len(set(waits)) > 6


def test_two_connections_do_not_return_together() -> None:
    first, second = (Backoff(Random(seed), first_s=2.0, longest_s=60.0) for seed in (1, 2))
    assert first.next_s() != second.next_s()


def test_success_starts_over() -> None:
    backoff = Backoff(Random(3), first_s=2.0, longest_s=60.0)
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 2.5
