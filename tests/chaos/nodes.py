"""A few machines inside this one: each node has network, host name, mounts, IPC and process ids of its own.

Needs root, `unshare`, `nsenter` and `ip`. The file system is shared, as on a cluster. mpirun runs in a control
namespace with a bridge to all nodes and enters a node where it would otherwise use ssh. A crashed node loses all
its processes at one blow; if its link is cut first, nobody hears of it, as when the power fails.
"""
import os
import signal
import subprocess
import time
from pathlib import Path

NETWORK = "10.79.0"  # exists only inside the namespaces

# An own init per node: it must live on when mpirun's daemon goes into the background, and it reaps orphans.
_INIT = """
hostname {name}
mount -t tmpfs -o size=256m shm /dev/shm
mount --bind {hosts} /etc/hosts
ip link set lo up
touch {ready}
while :; do sleep 3600 & wait $!; done
"""


def _quietly(*command):
    subprocess.run([str(c) for c in command], check=True, capture_output=True)


def why_not():
    """Empty if nodes can be made here, else the reason."""
    if os.geteuid() != 0:
        return "simulated nodes need root"
    try:
        _quietly("unshare", "-n", "-u", "-m", "-i", "-p", "-f", "--mount-proc", "ip", "link", "set", "lo", "up")
        return ""
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no namespaces here: {error}"


class Nodes:
    """`count` nodes n1, n2 …; `folder` must be visible in all of them."""

    def __init__(self, folder, count=2):
        self.folder = Path(folder)
        self.names = [f"n{i + 1}" for i in range(count)]
        self.inits = {}
        self.started = []
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hosts = self.folder / "hosts"
        lines = ["127.0.0.1 localhost", f"{NETWORK}.254 {os.uname().nodename}"]
        lines += [f"{NETWORK}.{i + 1} {name}" for i, name in enumerate(self.names)]
        self.hosts.write_text("\n".join(lines) + "\n")
        try:
            self._make_control()
            for i, name in enumerate(self.names):
                self._boot(i, name)
            self._write_agent()
        except BaseException:
            self.down()
            raise

    def _start(self, *command):
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.started.append(process)
        return process

    @staticmethod
    def _wait_for(condition, what):
        end = time.monotonic() + 20
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come up")
            time.sleep(0.005)

    def _make_control(self):
        ready = self.folder / "ready.control"
        ready.unlink(missing_ok=True)
        script = (f"mount --bind {self.hosts} /etc/hosts; ip link set lo up; ip link add br0 type bridge; "
                  f"ip addr add {NETWORK}.254/24 dev br0; ip link set br0 up; touch {ready}; exec sleep 86400")
        self.control = self._start("unshare", "-n", "-m", "bash", "-c", script).pid
        self._wait_for(ready.exists, "the control namespace")

    def _boot(self, i, name):
        ready = self.folder / f"ready.{name}"
        ready.unlink(missing_ok=True)
        outer = self._start("unshare", "-n", "-u", "-m", "-i", "-p", "-f", "--mount-proc", "--kill-child=KILL",
                            "bash", "-c", _INIT.format(name=name, hosts=self.hosts, ready=ready))
        self._wait_for(ready.exists, f"node {name}")
        init = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])
        self.inits[name] = init
        _quietly("nsenter", "-t", self.control, "-n", "ip", "link", "add", f"v{name}", "type", "veth",
                 "peer", "name", "eth0", "netns", init)
        _quietly("nsenter", "-t", self.control, "-n", "bash", "-c",
                 f"ip link set v{name} master br0; ip link set v{name} up")
        _quietly("nsenter", "-t", init, "-n", "bash", "-c",
                 f"ip addr add {NETWORK}.{i + 1}/24 dev eth0; ip link set eth0 up")

    def _write_agent(self):
        cases = "".join(f"{name}) init={init};; " for name, init in self.inits.items())
        self.agent = self.folder / "enter-node"
        self.agent.write_text(f'#!/bin/bash\nname=$1; shift\ncase $name in {cases}esac\n'
                              'exec nsenter -t "$init" -n -u -m -i -p env -C "$PWD" bash -c "$*"\n')
        self.agent.chmod(0o755)

    def mpirun(self, ranks):
        """The start of a command that runs `ranks` ranks over the nodes."""
        hosts = ",".join(f"{name}:{ranks}" for name in self.names)
        return ["nsenter", f"--target={self.control}", "--net", "--mount", f"--wd={os.getcwd()}", "mpirun",
                "--host", hosts, "--map-by", "node", "-n", str(ranks)]

    def environment(self):
        # A node that fell silent is noticed after 4 s instead of 8 minutes.
        return {"OMPI_MCA_plm_rsh_agent": str(self.agent), "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
                "OMPI_MCA_btl": "self,vader,tcp", "OMPI_MCA_oob_tcp_keepalive_time": "2",
                "OMPI_MCA_oob_tcp_keepalive_intvl": "1", "OMPI_MCA_oob_tcp_keepalive_probes": "2"}

    def crash(self, name, silently):
        """False if it had crashed before."""
        if name not in self.inits:
            return False
        if silently:
            _quietly("nsenter", "-t", self.control, "-n", "ip", "link", "set", f"v{name}", "down")
        os.kill(self.inits.pop(name), signal.SIGKILL)
        return True

    def down(self):
        for process in reversed(self.started):
            process.kill()
            process.wait()
