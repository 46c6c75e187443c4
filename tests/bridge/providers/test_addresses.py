"""What a tool may fetch. Nothing here touches a network: names are resolved by the tests."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.providers.addresses import HOST, Allowed
from workbench.bridge.tool import ToolError


def resolving(*addresses: str, hosts: Sequence[str] = ("example.org",), networks: Sequence[str] = ()) -> Allowed:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return Allowed(hosts, [ipaddress.ip_network(network) for network in networks], resolve)


@pytest.mark.parametrize(
    ("hosts", "address"),
    [
        (["example.org"], "https://example.org/a?b=c"),
        (["example.org"], "http://EXAMPLE.org:80/"),
        (["example.org"], "https://example.org./"),
        (["*.example.org"], "https://a.b.example.org/"),
        (["example.org:8080"], "http://example.org:8080/"),
        (["8.8.8.8"], "https://8.8.8.8/"),
        (["[2606:4700::1111]"], "https://[2606:4700::1111]/"),
    ],
)
def test_a_listed_host_may_be_read(hosts: list[str], address: str) -> None:
    assert resolving(hosts=hosts).check(address).host


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("ftp://example.org/", "not an http"),
        ("file:///etc/passwd", "not an http"),
        ("javascript:alert(1)", "not an http"),
        ("example.org", "not an http"),
        ("https://", "not an"),
        ("https://user:pass@example.org/", "user or password"),
        ("https://example.org@evil.test/", "user or password"),
        ("https://evil.test/?https://example.org/", "list"),
        ("https://evil.test#example.org", "list"),
        ("https://example.org.evil.test/", "list"),
        ("https://notexample.org/", "list"),
        ("https://sub.example.org/", "list"),
        ("https://example.org:8443/", "list"),
        ("http://2130706433/", "number"),
        ("http://0x7f000001/", "number"),
        ("http://0177.0.0.1/", "not an address"),
        ("http://127.1/", "number"),
        ("http://127.0.0.1/", "list"),
        ("http://[::1]/", "list"),
        ("http://exa mple.org/", "list"),
        ("https://example.org\\@evil.test/", "user or password"),
    ],
)
def test_anything_else_may_not(address: str, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        resolving().check(address)


NOT_PUBLIC = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:100.64.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::7f00:1", "2001:db8::1", "fec0::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_a_listed_name_that_points_inside_is_refused(address: str) -> None:
    allowed = resolving("93.184.216.34", address)
    with pytest.raises(ToolError, match="not public"):
        await allowed.locate(allowed.check("https://example.org/"))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
async def test_a_public_address_is_connected_to(address: str) -> None:
    allowed = resolving(address)
    assert await allowed.locate(allowed.check("https://example.org/")) == ipaddress.ip_address(address)


async def test_an_address_in_the_url_is_judged_like_a_resolved_one() -> None:
    allowed = resolving(hosts=["127.0.0.1", "[::ffff:127.0.0.1]"])
    for url in ("http://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"):
        with pytest.raises(ToolError):
            await allowed.locate(allowed.check(url))


async def test_the_operator_can_allow_a_network_of_his_own() -> None:
    allowed = resolving("10.1.2.3", networks=["10.1.0.0/16"])
    assert str(await allowed.locate(allowed.check("http://example.org/"))) == "10.1.2.3"
    mapped = resolving("::ffff:10.1.2.3", networks=["10.1.0.0/16"])
    assert await mapped.locate(mapped.check("http://example.org/"))
    outside = resolving("10.2.0.1", networks=["10.1.0.0/16"])
    with pytest.raises(ToolError, match=r"10\.2\.0\.1"):
        await outside.locate(outside.check("http://example.org/"))


async def test_a_name_that_nobody_knows_says_so() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(ToolError, match="cannot be found"):
        await Allowed(["example.org"], (), unknown).locate(httpx.URL("https://example.org/"))


@given(st.text(max_size=80))
def test_any_text_is_allowed_or_refused_with_a_reason(text: str) -> None:
    try:
        url = resolving().check(text)
    except ToolError:
        return
    assert url.host.lower().rstrip(".") == "example.org"


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address) | st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_no_address_breaks_the_judgement_and_none_inside_is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if Allowed(()).permits(address):
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_private


@pytest.mark.parametrize("host", ["example.org", "*.example.org", "localhost", "10.0.0.1:8080", "[::1]:80", "a-b.example:1"])
def test_hosts_as_an_operator_writes_them(host: str) -> None:
    assert HOST.fullmatch(host)


@pytest.mark.parametrize("host", ["https://example.org", "example.org/", "*", "a..b", "-a.org", "a b", "exa*mple.org", ""])
def test_what_is_no_host_is_not_taken_for_one(host: str) -> None:
    assert HOST.fullmatch(host) is None
