"""The VPN: two strongSwan daemons that agree on an IKEv2 tunnel over the lab's internet link."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.lab.build import BuildError, in_namespace, run
from agent.lab.topology import AZURE_VPN_GATEWAY, ON_PREMISES_VPN_DEVICE, TUNNEL_MTU

CHARON = "/usr/lib/ipsec/charon"
_PLUGINS = "random nonce openssl hmac kdf pem pkcs1 x509 pubkey constraints"
_START_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One end of the tunnel: where it runs, its public address and the networks on its side."""

    namespace: str
    address: str
    networks: str


GATEWAYS = (
    Gateway(namespace=AZURE_VPN_GATEWAY, address="203.0.113.2", networks="10.1.0.0/16"),
    Gateway(namespace=ON_PREMISES_VPN_DEVICE, address="203.0.113.1", networks="10.20.1.0/24"),
)
"""The Azure end first: the on-premises end initiates, and the other must be listening by then."""


def daemon_settings(esp: Literal["kernel", "user-space"]) -> str:
    """Return strongswan.conf. kernel-libipsec does ESP in UDP 4500 in user space, behind a TUN device."""
    data_plane = "kernel-libipsec " if esp == "user-space" else ""
    return f"""\
charon {{
  load = {_PLUGINS} {data_plane}kernel-netlink socket-default vici
  retransmit_timeout = 0.3
  retransmit_tries = 8
  plugins {{
    kernel-netlink {{
      mtu = {TUNNEL_MTU}
    }}
  }}
  filelog {{
    stderr {{
      default = 1
    }}
  }}
}}
swanctl {{
  load = {_PLUGINS}
}}
"""


def connection(own: Gateway, peer: Gateway, key: str, esp: Literal["kernel", "user-space"]) -> str:
    """Return swanctl.conf of one end: AES-256-GCM and ECP-384 for IKE and for ESP, a key both ends share."""
    return f"""\
connections {{
  azure {{
    version = 2
    local_addrs = {own.address}
    remote_addrs = {peer.address}
    encap = {"yes" if esp == "user-space" else "no"}
    mobike = no
    dpd_delay = 10s
    proposals = aes256gcm16-prfsha384-ecp384
    local {{
      auth = psk
    }}
    remote {{
      auth = psk
    }}
    children {{
      net {{
        mode = tunnel
        local_ts = {own.networks}
        remote_ts = {peer.networks}
        esp_proposals = aes256gcm16-ecp384
        dpd_action = restart
      }}
    }}
  }}
}}
secrets {{
  ike-lab {{
    secret = "{key}"
  }}
}}
"""


class Daemon:
    """A running charon, alone in its namespace with a /run and an /etc of its own.

    Its files are mounted over the places where they usually are, because AppArmor lets charon and swanctl read no
    others.
    """

    def __init__(self, gateway: Gateway, directory: Path, settings: str, connections: str) -> None:
        self._run = directory / "run"
        self._run.mkdir(parents=True)
        (directory / "swanctl").mkdir()
        (directory / "strongswan.conf").write_text(settings, encoding="ascii")
        (directory / "swanctl" / "swanctl.conf").write_text(connections, encoding="ascii")
        (directory / "swanctl" / "swanctl.conf").chmod(0o600)
        script = (
            "mount --bind $0/strongswan.conf /etc/strongswan.conf && mount --bind $0/swanctl /etc/swanctl && "
            "mount --bind $0/run /run && exec $1 2>/run/charon.log"
        )
        self._process = subprocess.Popen(
            in_namespace(gateway.namespace, "sh", "-c", script, str(directory), CHARON),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Wait until the daemon takes commands; raise :class:`BuildError` with its log when it does not."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        with socket.socket(socket.AF_UNIX) as vici:
            while vici.connect_ex(str(self._run / "charon.vici")) != 0:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise BuildError(f"strongSwan's charon did not start: {self.log()}")
                time.sleep(0.01)

    def command(self, *arguments: str) -> None:
        """Run swanctl against this daemon, in its namespaces; raise :class:`BuildError` with both complaints."""
        try:
            run(["nsenter", "--target", str(self._process.pid), "--mount", "--net", "swanctl", *arguments])
        except BuildError as error:
            raise BuildError(f"{error}\n{self.log()}") from error

    def log(self) -> str:
        """Return the end of what the daemon said."""
        log = self._run / "charon.log"
        return "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:]) if log.exists() else "it wrote no log"


def start_daemons(directory: Path, esp: Literal["kernel", "user-space"]) -> list[Daemon]:
    """Start both daemons, which :func:`bring_up` then connects."""
    key = secrets.token_hex(16)
    azure, site = GATEWAYS
    return [
        Daemon(own, directory / own.namespace, daemon_settings(esp), connection(own, peer, key, esp))
        for own, peer in ((azure, site), (site, azure))
    ]


def bring_up(daemons: list[Daemon]) -> None:
    """Load the connections and wait until the tunnel is up."""
    for daemon in daemons:
        daemon.wait()
        daemon.command("--load-all", "--noprompt")
    azure, site = daemons
    try:
        site.command("--initiate", "--child", "net", "--timeout", "10")
    except BuildError as error:
        raise BuildError(f"{error}\nAnd the other end: {azure.log()}") from error
