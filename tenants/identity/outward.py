"""Addresses that a side names and this server fetches (外部地址): public ones alone.

A side's own form must not lead the server to itself, to its network or to the metadata of its cloud (OWASP
SSRF). The name is resolved right before each request; requests follow no redirects.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HTTPS_PORT = 443
NAT64 = b"\x00\x64\xff\x9b" + bytes(8)


def is_safe(address: str, *, local: bool = False) -> bool:
    """Whether an address may be spoken to: https, or with `local` this machine."""
    if not (address.isascii() and address.isprintable()) or " " in address or "\\" in address:
        return False
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.username is not None or not host or port == 0:
        return False
    if local and host in LOOPBACK:
        return parts.scheme in ("http", "https")
    return parts.scheme == "https" and not _is_inward_literal(host)


def is_reached_outside(address: str, *, local: bool = False) -> bool:
    """Whether everything that the host of this address resolves to is out in the world, or with `local` it
    is this machine; asks the resolver.

    Raises `OSError` or `ValueError` when it resolves to nothing.
    """
    parts = urlsplit(address)
    if local and parts.hostname in LOOPBACK:
        return True
    found = socket.getaddrinfo(parts.hostname, parts.port or HTTPS_PORT, type=socket.SOCK_STREAM)
    return bool(found) and all(_is_outward(ip_address(str(row[4][0]).partition("%")[0])) for row in found)


def _is_inward_literal(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not _is_outward(ip_address(host))
    except ValueError:
        return False  # a name: it is resolved before it is spoken to


def _is_outward(ip: IPv4Address | IPv6Address) -> bool:
    """Public, and neither multicast nor an IPv4 address within the network under another name."""
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip.packed.startswith(NAT64):
            inner = IPv4Address(ip.packed[-4:])
        if inner is not None:
            return _is_outward(inner)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
