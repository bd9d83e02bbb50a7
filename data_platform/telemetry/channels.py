"""Messages to what a team uses: Slack, Teams, e-mail, PagerDuty and all that apprise knows."""

import logging

_LOG = logging.getLogger(__name__)


class NoChannel(ValueError):
    """A URL is none that apprise knows; the message does not have it, since it has credentials."""


def deliver(name: str, url: str, title: str, body: str, *, kind: str) -> bool:
    """Send a message to the channel at an apprise URL; returns whether it was taken.

    `kind` is `failure`, `warning` or `success`. Raises NoChannel.
    """
    import apprise  # slow: it knows more than a hundred services

    channel = apprise.Apprise()
    if not channel.add(url):
        raise NoChannel(
            f"the URL of channel {name} is none that apprise knows; see its list of services"
        )
    # What apprise logs may have the URL.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    try:
        return bool(channel.notify(body=body, title=title, notify_type=apprise.NotifyType(kind)))
    except Exception as error:  # of one of its plugins; the notice waits
        _LOG.warning("channel %s took no message: %s", name, type(error).__name__)
        return False
