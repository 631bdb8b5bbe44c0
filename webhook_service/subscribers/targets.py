"""The URLs and addresses to which events may be sent: only public ones, unless the settings allow private ones."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from webhook_service.errors import NotPossible

TRANSLATED = IPv6Network("64:ff9b::/96")
"""The network in which a gateway (NAT64) translates the last 32 bits to an IPv4 address (RFC 6052)."""

UNICAST = IPv6Network("2000::/3")
"""The IPv6 addresses of the internet. Local translation (64:ff9b:1::/48) and site-local addresses are outside."""

SETTING = "EVENT_PRIVATE_ADDRESSES"


class PrivateAddress(Exception):
    """The host has an address that is not public."""


def check_url(url: str, *, allow_private: bool) -> None:
    """Raise NotPossible if events cannot be sent to this URL. With `allow_private` it may begin with http://."""
    schemes = ("https", "http") if allow_private else ("https",)
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise NotPossible("bad_url", "The URL cannot be read.") from None
    if parts.scheme not in schemes:
        raise NotPossible("bad_url", f"The URL must have one of these schemes: {', '.join(schemes)}.")
    if not is_whole or not url.isascii() or any(character.isspace() for character in url):
        raise NotPossible("bad_url", "The URL must have a host, and ASCII characters only.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise NotPossible("bad_url", "The URL must have no user, password or fragment.")


def check_permission(*, allow_private: bool, private_addresses: bool) -> None:
    """Raise NotPossible if a subscriber is to be at a private address, and the setting does not allow it."""
    if allow_private and not private_addresses:
        raise NotPossible("private_addresses_off", f"Private addresses are off. Set {SETTING}=on to allow them.")


def is_public(address: str) -> bool:
    """Return whether an IP address is on the internet, and not private, loopback, link-local, reserved or multicast.

    An IPv6 address that stands for an IPv4 address is as public as that. Tunnels (6to4, Teredo) are never public.
    """
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found in TRANSLATED:
            found = IPv4Address(int(found) & 0xFFFFFFFF)
        elif found.sixtofour is not None or found.teredo is not None or found not in UNICAST:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def allowed(addresses: Iterable[str], *, allow_private: bool) -> list[str]:
    """Return the addresses of a host. Raises PrivateAddress if one of them is not public, unless it is allowed."""
    found = list(dict.fromkeys(addresses))
    if not allow_private and not all(map(is_public, found)):
        raise PrivateAddress
    return found
