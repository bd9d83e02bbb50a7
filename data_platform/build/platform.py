"""The platform's state in one object: landing bucket, ledger, lake, register of builds.

Steps, sensors and the command line all work on it; tests make one in a temporary directory.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from data_platform.access.trail import Trail
from data_platform.databases.leases import Leases
from data_platform.databases.urls import is_sqlite
from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.environments import Environments
from data_platform.landing.arrivals.inventory import Inventory, S3Inventory
from data_platform.landing.arrivals.listing import Intake, ListingIntake, NoIntake
from data_platform.landing.arrivals.queue import QueueIntake
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.settings.environment import give_password
from data_platform.settings.model import Settings
from data_platform.settings.virtual import inside
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
        """Reads, writes and lists files, on disk or in an object store."""
        return self.given_storage or Storage(store=self.store)

    @cached_property
    def store(self) -> ObjectStore:
        """The object store: S3 or a compatible one."""
        return ObjectStore(self.settings.aws_region, self.settings.aws_endpoint)

    @cached_property
    def lake(self) -> Lake:
        """The Iceberg catalog and its tables."""
        self._require_environment()
        return lake_of(self.settings)

    @cached_property
    def builds(self) -> Builds:
        """The register of builds: each attempt at a partition, its inputs and its outcome."""
        self._require_environment()
        return Builds(self.settings.ledger_uri, clock=self.clock, migrates=self.settings.migrates)

    @cached_property
    def leases(self) -> Leases | None:
        """The leases of those at work on several machines; None on a laptop, whose database is a
        file."""
        if is_sqlite(self.settings.ledger_uri):
            return None
        settings = self.settings
        give_password(settings)
        return Leases(settings.ledger_uri, settings.run_lease, migrates=settings.migrates)

    @cached_property
    def trail(self) -> Trail:
        """The audit trail: who changed what."""
        give_password(self.settings)
        return Trail(self.settings.ledger_uri, migrates=self.settings.migrates)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of landed objects and their states."""
        self._require_environment()
        return Ledger(self.settings.ledger_uri, clock=self.clock, migrates=self.settings.migrates)

    @cached_property
    def bucket(self) -> DirectoryBucket | S3Bucket:
        """The landing bucket."""
        uri = self.settings.landing_uri
        if is_object(uri):
            return S3Bucket(uri, self.store)
        return DirectoryBucket(uri.removeprefix("file://"))

    @cached_property
    def intake(self) -> Intake:
        """How new objects are found: from the queue if the settings name one, else by listing; in
        a virtual environment not at all."""
        settings = self.settings
        if not self.takes_arrivals:
            return NoIntake()
        if settings.queue_url:
            return QueueIntake(
                settings.queue_url, settings.aws_region, self.bucket, settings.landing_uri
            )
        return ListingIntake(self.bucket)

    @property
    def takes_arrivals(self) -> bool:
        """Whether what lands is recorded here; a virtual environment leaves it to production."""
        return not self.settings.virtual_environment

    @cached_property
    def inventory(self) -> Inventory | None:
        """The S3 inventory of the landing bucket, if the settings name one."""
        settings = self.settings
        if not settings.inventory_uri:
            return None
        return S3Inventory(settings.inventory_uri, settings.landing_uri, self.store)

    @cached_property
    def production(self) -> "Platform":
        """The platform beside all virtual environments; itself, if it is that one."""
        production = self.settings.production
        return replace(self, settings=production) if production else self

    @cached_property
    def environments(self) -> Environments:
        """The virtual environments beside production."""
        production = self.production.settings
        give_password(production)
        return Environments(
            production.ledger_uri,
            within=bool(self.settings.virtual_environment),
            migrates=production.migrates,
        )

    def inside(self, name: str) -> "Platform":
        """The platform in a virtual environment, opened on first use."""
        return replace(self, settings=inside(self.settings, name))

    def lakes_beside(self) -> list[Lake]:
        """The lakes of production and of all environments but this one: a file that one of them
        refers to must not be deleted."""
        states = ("creating", "ready", "closing")
        using = [e.name for e in self.environments.all() if e.state in states]
        own = self.settings.virtual_environment
        return [lake_of(inside(self.settings, name)) for name in ("", *using) if name != own]

    def _require_environment(self) -> None:
        """Raises NoEnvironment if this is an environment that does not exist."""
        give_password(self.settings)
        if self.settings.virtual_environment:
            self.environments.require(self.settings.virtual_environment)


def lake_of(settings: Settings) -> Lake:
    """The lake of these settings, whether or not their environment is complete."""
    give_password(settings)
    return Lake(settings.catalog_properties, settings.warehouse_uri)
