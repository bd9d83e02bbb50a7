"""The webserver: the command `dagster-webserver` with its own options, behind a proxy."""

import sys

from data_platform.runs.container import enter_its_home
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import NO_PROXY, Environment, Settings
from data_platform.settings.values import PREFIX, SettingsError
from data_platform.telemetry.logs import log_as
from data_platform.webserver.dagster_webserver_internals import serve


def served(settings: Settings) -> Settings:
    """The settings of a webserver. Raises SettingsError for a deployment where nobody logs in,
    unless that is said."""
    deployed = settings.environment in (Environment.STAGING, Environment.PROD)
    if deployed and not settings.proxy_secret:
        raise SettingsError(
            f"{PREFIX}PROXY_SECRET must be set when {PREFIX}ENV is {str(settings.environment)!r}: "
            "the webserver answers an authenticating proxy only, which sends it (see "
            f"docs/how-to/access.md); {NO_PROXY!r} lets whoever reaches the webserver do everything"
        )
    if (settings.operators or settings.viewers) and not settings.has_proxy:
        raise SettingsError(
            f"{PREFIX}OPERATORS or {PREFIX}VIEWERS is set, and {PREFIX}PROXY_SECRET is not: nobody "
            "logs in without a proxy, and everyone would be an operator; set it, or unset them"
        )
    return settings


def main() -> None:
    try:
        settings = served(settings_from_env())
        log_as(settings.log_format)
        enter_its_home(settings)
    except SettingsError as error:
        sys.exit(f"error: {error}")
    serve(settings)


if __name__ == "__main__":
    main()
