"""How messages count things."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 partition`, `2 partitions`, `24,063 rows`; `plural` where it is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
