"""The platform's state, as one value: landing bucket, ledger, lake, register of builds.

Steps, sensors and the command line all work on it; tests make one in a temporary directory.
"""

from dataclasses import dataclass, field
from functools import cached_property

from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.storage import Storage
from data_platform.landing.ledger import Ledger
from data_platform.landing.objects import Bucket, DirectoryBucket
from data_platform.settings import Settings


@dataclass(frozen=True)
class Platform:
    """Everything that outlives a run, opened on first use."""

    settings: Settings
    storage: Storage = field(default_factory=Storage)

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.settings.catalog_properties, self.settings.warehouse_uri)

    @cached_property
    def builds(self) -> Builds:
        return Builds(self.settings.ledger_uri)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.ledger_uri)

    @cached_property
    def bucket(self) -> Bucket:
        return DirectoryBucket(self.settings.landing_uri.removeprefix("file://"))
