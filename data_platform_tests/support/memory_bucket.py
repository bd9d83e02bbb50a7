"""A bucket in memory, the source that its keys belong to, and a ledger of them."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa

from data_platform.landing.formats.csv import Csv
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.ledger.recording import Recorded
from data_platform.landing.ledger.tables import objects
from data_platform.landing.places.objects import LandedObject
from data_platform.landing.source import Source

NOW = datetime(2011, 12, 10, 12, tzinfo=UTC)
SHOP = Source(
    name="shop",
    prefix="shop/",
    pattern=r"shop/(\d{4}-\d{2}-\d{2})([._-][^/]*)?\.csv",
    table="bronze/retail/order_lines",
    format=Csv(columns=("a", "b")),
)
DAY = "2011-03-04"
KEY = f"shop/{DAY}.csv"


class MemoryBucket:
    """Like S3 with `starts_after`: a listing gives etags, and costs only what it yields."""

    def __init__(self, *, starts_after: bool = False, etags: bool = True) -> None:
        self.name = "memory"
        self.starts_after = starts_after
        self.etags = etags
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.yielded = 0
        self.hashed: list[str] = []
        self.looked_at: list[str] = []

    def land(self, key: str, content: bytes = b"a,b\n1,2\n", modified: datetime = NOW) -> None:
        self.objects[key] = (content, modified)

    def delete(self, key: str) -> None:
        del self.objects[key]

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[LandedObject]:
        for key in sorted(self.objects):
            if key.startswith(prefix) and (start_after is None or key > start_after):
                self.yielded += 1
                yield self._landed(key)

    def head(self, key: str) -> LandedObject | None:
        self.looked_at.append(key)
        return self._landed(key) if key in self.objects else None

    def uri(self, key: str) -> str:
        return f"memory://{key}"

    def content_hash(self, key: str) -> str:
        self.hashed.append(key)
        if key not in self.objects:
            raise FileNotFoundError(key)
        return hashlib.sha256(self.objects[key][0]).hexdigest()

    def _landed(self, key: str) -> LandedObject:
        content, modified = self.objects[key]
        etag = hashlib.md5(content).hexdigest() if self.etags else None
        return LandedObject(key, len(content), modified, etag)


def record(ledger: Ledger, bucket: MemoryBucket, source: Source = SHOP) -> Recorded:
    """Record all that is in the bucket."""
    return ledger.record(bucket.list(), bucket, [source], NOW)


def load(ledger: Ledger, rows: int = 1) -> None:
    """Load all that waits, so many rows of each object."""
    ledger.mark_loaded({entry.id: rows for entry in ledger.pending("shop")}, "run", "load")


def ever_landed(ledger: Ledger, source: str) -> list[str]:
    """All partitions for which an object of the source ever landed."""
    query = sa.select(objects.c.partition).where(objects.c.source == source).distinct()
    with ledger.database.read() as connection:
        return list(connection.execute(query.order_by(objects.c.partition)).scalars())
