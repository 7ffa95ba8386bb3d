"""Which addresses a subscription may reach: a URL given to us must not open our own network.

Names are resolved here and the connection goes to the address that was judged, so a name
that changes its answer in between gains nothing.
"""

import ipaddress
import socket

from ingestion.errors import NotPermitted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Reach cloud metadata or nobody in particular: never a subscriber, whatever is allowed.
NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # RFC 1122 3.2.1.3: this host
            "169.254.0.0/16",  # RFC 3927: link-local, with the metadata services of clouds
            "168.63.129.16/32",  # Azure's host
            "100.100.100.200/32",  # Alibaba's metadata service
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
            "::/128",
            "fe80::/10",  # link-local
            "fd00:ec2::254/128",  # the metadata service of AWS
            "fd20:ce::254/128",  # the metadata service of Google
            "ff00::/8",  # multicast
        ),
    )
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 2.1


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Addresses of `host`, in the resolver's order, each of them permitted.

    Raises `NotPermitted` if any is not, and `OSError` when the name has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    for address in addresses:
        if not is_permitted(address, allow_private=allow_private):
            raise NotPermitted("the subscriber's address is loopback, private or reserved")
    return addresses


def is_permitted(address: str, *, allow_private: bool) -> bool:
    """Whether a subscription may reach this address.

    IPv4 inside IPv6 is judged as what it leads to.
    """
    judged = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    if any(judged in network for network in NEVER if network.version == judged.version):
        return False
    return allow_private or judged.is_global


def _innermost(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
