"""The child process behind `swift.py`: OpenStack Swift (proxy, account, container, object).

Run as `python -P swift_process.py <folder>`. Eventlet stays in here. It prints the port of the
proxy when everything listens, and ends with its four servers when its standard input closes, so
that it never outlives the process that started it. Source: Swift's deployment guide, s3api.
"""

import os
import signal
import sys
from pathlib import Path

import eventlet
from swift.common.ring import RingBuilder
from swift.common.utils import get_logger, set_swift_dir
from swift.common.wsgi import appconfig, run_server

SERVERS = ("object", "container", "account", "proxy")

SWIFT_CONF = """\
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = only
default = yes
"""

COMMON_CONF = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = ERROR
"""

STORAGE_CONF = """\
[pipeline:main]
pipeline = {server}-server
[app:{server}-server]
use = egg:swift#{server}
"""

PROXY_CONF = """\
[pipeline:main]
pipeline = catch_errors healthcheck listing_formats s3api tempauth bulk slo dlo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
"""


def main(folder: Path) -> None:
    """Serve until standard input closes."""
    listeners = {server: eventlet.listen(("127.0.0.1", 0), backlog=1024) for server in SERVERS}
    ports = {server: listener.getsockname()[1] for server, listener in listeners.items()}
    write_configuration(folder, ports)
    for server, listener in listeners.items():
        if os.fork() == 0:
            try:
                serve(folder / f"{server}.conf", server, listener)
            finally:
                os.killpg(0, signal.SIGKILL)  # one server less is no server
    print(ports["proxy"], flush=True)
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


def write_configuration(folder: Path, ports: dict[str, int]) -> None:
    """Write swift.conf, one file per server and the three rings, each with one device."""
    (folder / "devices" / "disk").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(SWIFT_CONF)
    set_swift_dir(str(folder))
    account, user = os.environ["SWIFT_ACCESS_KEY"].split(":")
    proxy = PROXY_CONF.format(account=account, user=user, secret=os.environ["SWIFT_SECRET_KEY"])
    for server, port in ports.items():
        text = COMMON_CONF.format(port=port, folder=folder)
        text += proxy if server == "proxy" else STORAGE_CONF.format(server=server)
        (folder / f"{server}.conf").write_text(text)
    for server in ("object", "container", "account"):
        ring = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
        device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "device": "disk", "weight": 1.0}
        ring.add_dev(device | {"port": ports[server], "meta": ""})
        ring.rebalance()
        ring.get_ring().save(str(folder / f"{server}.ring.gz"))


def serve(configuration: Path, server: str, listener: object) -> None:
    """Serve one of Swift's servers on a socket that already listens."""
    conf = appconfig(str(configuration), name=f"{server}-server")
    run_server(conf, get_logger(conf, server), listener)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
