"""Secrets: a setting's own value, or its place in AWS Secrets Manager.

`secretsmanager:NAME#KEY` names a member of a secret that is a JSON object, `secretsmanager:NAME`
a secret that is the value. The value itself is never part of a message.
"""

import json

from data_platform.settings.values import SettingsError

SCHEME = "secretsmanager:"


def secret(setting: str, text: str, region: str) -> str:
    """The secret in a setting's value, or the one that the value names (in AWS's `region`).

    Raises SettingsError, naming setting and secret, if it cannot be fetched.
    """
    if not text.startswith(SCHEME):
        return text
    name, key = secret_name(text), text.partition("#")[2]
    if not name:
        raise SettingsError(f"{setting} is {text!r}; write it like {SCHEME}NAME#KEY")
    found = _fetch(setting, name, region)
    value = _member(setting, name, key, found) if key else found
    if not value.strip():
        raise SettingsError(f"{setting} names the secret {text!r}, which is empty")
    return value


def secret_name(text: str) -> str:
    """Name or ARN of the secret that a setting's value refers to; empty if it refers to none."""
    return text.removeprefix(SCHEME).partition("#")[0] if text.startswith(SCHEME) else ""


def _fetch(setting: str, name: str, region: str) -> str:
    import boto3  # slow to import, and most processes need no secret
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.Session().client("secretsmanager", region_name=region or None)
        answer = client.get_secret_value(SecretId=name)
    except (BotoCoreError, ClientError) as error:
        raise SettingsError(
            f"{setting} names the secret {name!r}, which cannot be read: {error}; it must exist "
            f"in {region or 'DATA_PLATFORM_AWS_REGION'}, and these credentials may need "
            "secretsmanager:GetSecretValue on it"
        ) from error
    if "SecretString" not in answer:
        raise SettingsError(f"{setting} names the secret {name!r}, which is binary; store a text")
    return answer["SecretString"]


def _member(setting: str, name: str, key: str, found: str) -> str:
    try:
        members = json.loads(found)
    except ValueError:
        members = None  # not in the message: it is the secret
    if not isinstance(members, dict):
        raise SettingsError(
            f"{setting} names {key!r} of the secret {name!r}, which is not a JSON object; leave "
            "out #KEY if the whole secret is the value"
        ) from None
    if not isinstance(members.get(key), str) or not members[key]:
        raise SettingsError(
            f"{setting} names {key!r} of the secret {name!r}, which has: {', '.join(members)}"
        )
    return members[key]
