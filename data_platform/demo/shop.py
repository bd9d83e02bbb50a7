"""A fictitious gift shop: products, customers and the invoices of a day, all of them clean.

Products, prices and customers come from a seeded generator; none is a real person's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import product
from random import Random
from typing import NamedTuple

STYLES = (
    "RED SPOTTY", "VINTAGE", "WOODLAND", "IVORY", "PINK POLKA DOT", "FRENCH BLUE", "NATURAL",
    "PAISLEY", "FELTCRAFT", "RETRO", "SILVER", "HOME SWEET HOME", "PANTRY", "GARDEN", "CAFÉ",
)  # fmt: skip
THINGS = (
    ("LUNCH BAG", "1.65"), ("CAKE STAND", "12.75"), ("T-LIGHT HOLDER", "2.55"), ("JAM JAR", "0.85"),
    ("TEA TOWEL", "2.95"), ('RECORD FRAME 7"', "2.1"), ("DOORMAT", "7.95"), ("BUNTING", "4.95"),
    ("HOT WATER BOTTLE", "3.75"), ("NAPKINS, PACK OF 20", "0.79"), ("MUG", "1.25"),
    ("ALARM CLOCK", "3.75"), ("WALL CLOCK", "9.95"), ("STORAGE TIN", "4.25"), ("CANDLE", "1.69"),
    ("GIFT WRAP", "0.42"), ("CUSHION COVER", "6.75"), ("BIRD HOUSE", "2.1"), ("MAGNETS", "0.39"),
    ("PARASOL", "10.95"), ("LETTER RACK", "3.25"), ("HEART DECORATION", "0.165"),
)  # fmt: skip
SERVICES = (
    ("POST", "POSTAGE", "18.0"), ("DOT", "DOTCOM POSTAGE", "94.5"), ("M", "Manual", "5.0"),
    ("BANK CHARGES", "Bank Charges", "15.0"), ("C2", "CARRIAGE", "50.0"),
    ("gift_0001_20", "Gift Voucher £20.00", "17.02"),
)  # fmt: skip
COUNTRIES = (
    ("United Kingdom", 88), ("Germany", 3), ("France", 3), ("EIRE", 2), ("Spain", 1),
    ("Netherlands", 1), ("Belgium", 1), ("Portugal", 1),
)  # fmt: skip
SUFFIXES = ("", "", "", "A", "B", "C")
PACKS = (1, 1, 2, 2, 3, 4, 6, 6, 8, 12, 12, 24, 48)
OPENING = time(8)
MINUTES_OPEN = 600


class Line(NamedTuple):
    """The eight fields of a row in the file's order; None is an unquoted empty field."""

    invoice: str | None
    code: str | None
    description: str | None
    quantity: str | None
    invoiced_at: str | None
    price: str | None
    customer: str | None
    country: str | None


class Product(NamedTuple):
    """A product of the shop."""

    code: str
    name: str
    price: str


class Customer(NamedTuple):
    """A customer of the shop."""

    number: str | None
    country: str


@dataclass
class Shop:
    """Generates invoices; all randomness comes from `random`, so they are the same for a seed."""

    random: Random
    next_invoice: int = 545220
    products: list[Product] = field(init=False)
    customers: list[Customer] = field(init=False)

    def __post_init__(self) -> None:
        codes = self.random.sample(range(20600, 23800), len(STYLES) * len(THINGS))
        self.products = [
            Product(f"{code}{self.random.choice(SUFFIXES)}", f"{style} {thing}", price)
            for code, (style, (thing, price)) in zip(codes, product(STYLES, THINGS), strict=True)
        ]
        self.random.shuffle(self.products)
        names, weights = zip(*COUNTRIES, strict=True)
        self.customers = [
            Customer(f"{number}.0", self.random.choices(names, weights)[0])
            for number in sorted(self.random.sample(range(12346, 18288), 700))
        ]

    def lines(self, day: date, *, invoices: int) -> list[Line]:
        """The lines of `invoices` invoices, in order of time; no two are equal."""
        minutes = sorted(self.random.randrange(MINUTES_OPEN) for _ in range(invoices))
        opened = datetime.combine(day, OPENING)
        return [line for m in minutes for line in self._invoice(opened + timedelta(minutes=m))]

    def number(self, letter: str = "") -> str:
        """The next invoice number, with `letter` before its digits."""
        self.next_invoice += 1
        return f"{letter}{self.next_invoice}"

    def _invoice(self, at: datetime) -> list[Line]:
        random = self.random
        customer = random.choice(self.customers)
        if random.random() < 0.15:
            return [self._cancellation(at, customer)]
        size = random.choice((1, 3, 5, 8, 12, 18, 25, 40))
        if random.random() < 0.2:
            customer, size = Customer(None, "United Kingdom"), size * 2
        number = self.number()
        lines = [
            Line(number, p.code, p.name, str(random.choice(PACKS)), f"{at}", p.price, *customer)
            for p in self._basket(size)
        ]
        if random.random() < 0.15:
            code, name, price = random.choice(SERVICES)
            lines.append(Line(number, code, name, "1", f"{at}", price, *customer))
        return lines

    def _cancellation(self, at: datetime, customer: Customer) -> Line:
        item = self.random.choice(self.products)
        quantity = f"-{self.random.choice(PACKS)}"
        number = self.number("C")
        return Line(number, item.code, item.name, quantity, f"{at}", item.price, *customer)

    def _basket(self, size: int) -> list[Product]:
        """Different products; the first ones of the catalogue sell far more often."""
        picks = (int(len(self.products) * self.random.random() ** 2) for _ in range(size))
        return [self.products[pick] for pick in dict.fromkeys(picks)]
