import pytest

from data_platform.access.sites import from_another_site

HOST = {"host": "data.example:8443"}


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin", "origin": "https://outside.example"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "something new"}, True),
        ({"origin": "https://data.example:8443"}, False),
        ({"origin": "https://data.example"}, True),
        ({"origin": "https://more.data.example:8443"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"origin": "http://[x"}, True),
    ],
)
def test_a_browser_says_which_site_a_request_is_from(
    headers: dict[str, str], foreign: bool
) -> None:
    assert from_another_site({**HOST, **headers}) is foreign
