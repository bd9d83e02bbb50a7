"""Messages to what a team uses: Slack, Teams, e-mail, PagerDuty and all that apprise knows."""

import logging

_LOG = logging.getLogger(__name__)


def is_known(url: str) -> bool:
    """Whether apprise knows what a URL leads to."""
    return _channel(url) is not None


def deliver(name: str, url: str, title: str, body: str, *, kind: str) -> bool:
    """Send a message to the channel at an apprise URL; returns whether it was accepted.

    `kind` is `failure`, `warning` or `success`. Raises nothing. No log line has the URL, which is a
    credential.
    """
    try:
        if (channel := _channel(url)) is None:
            _LOG.error("channel %s: its variable has no URL that apprise knows", name)
            return False
        return bool(channel.notify(body=body, title=title, notify_type=kind))
    except Exception as error:  # of one of apprise's plugins; the notice waits
        _LOG.warning("channel %s did not accept a message: %s", name, type(error).__name__)
        return False


def _channel(url: str):
    import apprise  # slow: it knows more than a hundred services

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it may quote the URL
    channel = apprise.Apprise()
    return channel if channel.add(url) else None
