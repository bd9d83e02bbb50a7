"""The dirt in the shop's files: what silver repairs, and every kind of rule violation."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from data_platform.demo.shop import Line


def harmless(line: Line, random: Random) -> Line:
    """The line with dirt that silver repairs or keeps: padding, case, spellings, line breaks."""
    match random.randrange(400):
        case n if n < 12:
            return line._replace(description=f"{line.description} ")
        case 12 | 13:
            return line._replace(code=line.code and line.code.lower())
        case 14 | 15:
            return line._replace(customer=line.customer and line.customer.removesuffix(".0"))
        case 16:
            return line._replace(customer=line.customer and f"{line.customer}0")
        case 17 | 18:
            return line._replace(price="0.0")
        case 19:
            return line._replace(description=None)
        case 20:
            return line._replace(description=f"{line.description}\n(see catalogue, page 4)")
        case 21:
            return line._replace(country=f" {line.country}", invoice=f"{line.invoice} ")
    return line


def _debt(line: Line, price: str) -> Line:
    invoice = f"A{(line.invoice or '').strip(' C')}"
    return line._replace(
        invoice=invoice, code="B", description="Adjust bad debt", quantity="1", price=price,
        customer=None,
    )  # fmt: skip


BREAKS: dict[str, Callable[[Line], tuple[str | None, ...]]] = {
    "bad debt": lambda line: _debt(line, "11062.06"),
    "bad debt, negative": lambda line: _debt(line, "-11062.06"),
    "negative price": lambda line: line._replace(price="-2.55"),
    "four decimals": lambda line: line._replace(price="2.5512"),
    "price with a sign": lambda line: line._replace(price="£2.55"),
    "no price": lambda line: line._replace(price=None),
    "nothing sold": lambda line: line._replace(quantity="0"),
    "half a unit": lambda line: line._replace(quantity="1.5"),
    "too many units": lambda line: line._replace(quantity="3000000000"),
    "no such day": lambda line: line._replace(invoiced_at="2011-02-30 10:00:00"),
    "another day": lambda line: line._replace(invoiced_at="2010-11-30 10:00:00"),
    "another format": lambda line: line._replace(invoiced_at="3/4/2011 10:00"),
    "quoted empty customer": lambda line: line._replace(customer=""),
    "customer by name": lambda line: line._replace(customer="guest"),
    "no country": lambda line: line._replace(country=None),
    "blank code": lambda line: line._replace(code="  "),
    "short invoice": lambda line: line._replace(invoice="54522"),
    "too many fields": lambda line: (*line, "left", "over"),
    "too few fields": lambda line: line[:5],
}
"""How generated rows violate a rule, by name."""
