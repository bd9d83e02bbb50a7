"""The platform's state, as one value: landing bucket, ledger, lake, register of builds.

Steps, sensors and the command line all work on it; tests make one in a temporary directory.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.landing.arrivals.inventory import Inventory, S3Inventory
from data_platform.landing.arrivals.listing import Intake, ListingIntake
from data_platform.landing.arrivals.queue import QueueIntake
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.settings.environment import give_password
from data_platform.settings.model import Settings
from data_platform.storage.files import Storage
from data_platform.storage.object_store import ObjectStore, is_object


@dataclass(frozen=True)
class Platform:
    """Everything that outlives a run, opened on first use."""

    settings: Settings
    given_storage: Storage | None = None  # a test's own
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    @cached_property
    def storage(self) -> Storage:
        """Reads, writes and lists files, wherever they are."""
        return self.given_storage or Storage(store=self.store)

    @cached_property
    def store(self) -> ObjectStore:
        """The object store: S3, or one like it."""
        return ObjectStore(self.settings.aws_region, self.settings.aws_endpoint)

    @cached_property
    def lake(self) -> Lake:
        """The Iceberg catalog and its tables."""
        give_password(self.settings)
        return Lake(self.settings.catalog_properties, self.settings.warehouse_uri)

    @cached_property
    def builds(self) -> Builds:
        """The register of which partitions were built, from what."""
        give_password(self.settings)
        return Builds(self.settings.ledger_uri, clock=self.clock)

    @cached_property
    def ledger(self) -> Ledger:
        """The register of landed objects and what became of them."""
        give_password(self.settings)
        return Ledger(self.settings.ledger_uri, clock=self.clock)

    @cached_property
    def bucket(self) -> DirectoryBucket | S3Bucket:
        """The landing place."""
        uri = self.settings.landing_uri
        if is_object(uri):
            return S3Bucket(uri, self.store)
        return DirectoryBucket(uri.removeprefix("file://"))

    @cached_property
    def intake(self) -> Intake:
        """What tells of new objects: the queue where there is one, else a listing."""
        settings = self.settings
        if settings.queue_url:
            return QueueIntake(
                settings.queue_url, settings.aws_region, self.bucket, settings.landing_uri
            )
        return ListingIntake(self.bucket)

    @cached_property
    def inventory(self) -> Inventory | None:
        """S3's inventory of the landing place, where the settings name one."""
        settings = self.settings
        if not settings.inventory_uri:
            return None
        return S3Inventory(settings.inventory_uri, settings.landing_uri, self.store)
