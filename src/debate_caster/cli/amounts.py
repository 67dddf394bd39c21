"""How amounts are said to people: so many of something, and how large a file is."""

__all__ = ["counted", "size"]


def counted(number: int, thing: str) -> str:
    """Return ``1 show`` or ``2 shows``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def size(count: int) -> str:
    """Return a number of bytes in thousands, millions and so on of them, as disks are sold."""
    number, unit = float(count), "bytes"
    for unit in ("KB", "MB", "GB", "TB"):  # noqa: B007 - the one that is reached
        number /= 1000
        if number < 1000:
            break
    return f"{number:.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"
