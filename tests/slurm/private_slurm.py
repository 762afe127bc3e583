"""A real Slurm of several nodes inside one machine, private to one test.

Every machine of the cluster (the controller "ctl", the nodes "n1", "n2", …) is a bash that is process 1 of its
own network, mount, host name, IPC and process namespaces: own /dev/shm, own address, own processes. /tmp and
everything else is shared, like a cluster's file system. Nothing outside the namespaces is changed, and they
vanish with their process 1, which dies with this Python process, however that ends.

Needs root (CAP_SYS_ADMIN) and the packages in PACKAGES; why_not() says what is lacking.

Run by hand:  python3 tests/slurm/private_slurm.py srun -N3 hostname      (or without a command: a shell)
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge", "libpmix-dev", "iproute2")
PROGRAMS = ("slurmctld", "slurmd", "munged", "munge", "srun", "sbatch", "ip", "nsenter", "unshare")
SUBNET = "10.77.0"  # exists in the namespaces only

SLURM_CONF = """\
ClusterName=calsweep
SlurmctldHost=ctl({subnet}.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge}/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
TmpFS={root}/tmp/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=15
MinJobAge=600
SlurmdTimeout=8
ReturnToService=2
MpiDefault=pmix
PropagateResourceLimits=NONE
{node_lines}
PartitionName=main Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE PriorityTier=10 PreemptMode=REQUEUE
PartitionName=high Nodes=n[1-{nodes}] MaxTime=INFINITE PriorityTier=100 PreemptMode=OFF
"""

# Process 1 of a machine: prepares its namespaces, then only reaps.
MACHINE = """\
hostname "$1"
mount --make-rprivate /
mount -t tmpfs -o size=512m shm /dev/shm
mount --bind "$2/hosts" /etc/hosts
ip link set lo up
touch "$2/ready.$1"
while :; do sleep 3600 & wait $!; done
"""


class NotStarted(Exception):
    """The cluster did not come up; the text holds the ends of its logs."""


def why_not():
    """Why a private Slurm cannot run here, or None."""
    if os.geteuid() != 0:
        return "it needs root, for namespaces"
    missing = [p for p in PROGRAMS if shutil.which(p) is None]
    if missing:
        return f"{', '.join(missing)} not found: apt-get install {' '.join(PACKAGES)}"
    if not os.path.ismount("/sys/fs/cgroup"):
        return "slurmd does not start without a mounted /sys/fs/cgroup"
    probe = subprocess.run(["unshare", "-n", "-m", "-u", "-i", "-p", "-f", "--mount-proc", "ip", "link", "add",
                            "br0", "type", "bridge"], capture_output=True, text=True)
    if probe.returncode != 0:
        return f"no namespaces or bridges here: {probe.stderr.strip()}"
    return None


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise NotStarted(f"{what} within {seconds} s")


class Machine:
    """A set of namespaces with a process 1."""

    def __init__(self, name, root):
        ready = root / f"ready.{name}"
        ready.unlink(missing_ok=True)
        self.name = name
        with open(root / "log" / f"{name}.out", "ab") as log:
            self.keeper = subprocess.Popen(
                ["unshare", "-n", "-m", "-u", "-i", "-p", "-f", "--mount-proc", "--kill-child=KILL",
                 "bash", "-c", MACHINE, "machine", name, str(root)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
                start_new_session=True)
        wait_for(ready.exists, 20, f"{name} has no namespaces")
        children = Path(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children").read_text().split()
        self.first = int(children[0])

    def command(self, command):
        return ["nsenter", "-t", str(self.first), "-n", "-u", "-m", "-i", "-p", f"--wd={os.getcwd()}",
                *[str(c) for c in command]]

    def network(self, *command):
        subprocess.run(["nsenter", "-t", str(self.first), "-n", "ip", *command], check=True, capture_output=True)

    def processes(self, name):
        """Ids, as seen from outside, of its processes whose name begins so."""
        mine = os.readlink(f"/proc/{self.first}/ns/pid")
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if (entry.name.isdigit() and os.readlink(entry / "ns" / "pid") == mine
                        and (entry / "comm").read_text().startswith(name)):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def kill(self):
        """Every process of the machine dies at once."""
        self.keeper.kill()
        self.keeper.wait()
        while Path(f"/proc/{self.first}/stat").exists():
            time.sleep(0.01)


class PrivateSlurm:
    def __init__(self, nodes=3, cpus=4):
        self.nodes, self.cpus = nodes, cpus
        self.root = Path(tempfile.mkdtemp(prefix="calsweep-slurm-"))
        self.machines, self.daemons = {}, []
        self.environment = dict(os.environ, SLURM_CONF=str(self.root / "slurm.conf"))

    # -- life

    def start(self):
        try:
            self._write_configuration()
            self._start_controller()
            for number in range(1, self.nodes + 1):
                self.boot(number)
            wait_for(lambda: self.idle_nodes() == self.nodes, 40, "the nodes are not up")
        except (NotStarted, subprocess.SubprocessError, OSError) as error:
            message = f"{error}\n{self.logs()}"
            self.stop()
            raise NotStarted(message) from error
        return self

    def stop(self):
        for machine in self.machines.values():
            machine.kill()
        for daemon in self.daemons:
            daemon.wait()
        self.machines, self.daemons = {}, []
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *ignored):
        self.stop()

    def _write_configuration(self):
        munge = self.root / "munge"
        for folder in ("log", "state", "munge"):
            (self.root / folder).mkdir()
        munge.chmod(0o755)
        (munge / "key").write_bytes(os.urandom(128))
        (munge / "key").chmod(0o600)
        names = [f"n{i}" for i in range(1, self.nodes + 1)]
        for name in names:
            (self.root / "spool" / name).mkdir(parents=True)
            (self.root / "tmp" / name).mkdir(parents=True)  # of its own, or PMIx meets its neighbours' files
        (self.root / "hosts").write_text(
            f"127.0.0.1 localhost\n{SUBNET}.254 ctl\n"
            + "".join(f"{SUBNET}.{i} {name}\n" for i, name in enumerate(names, 1)))
        lines = [f"NodeName={name} NodeAddr={SUBNET}.{i} CPUs={self.cpus} RealMemory=4000"
                 for i, name in enumerate(names, 1)]
        (self.root / "slurm.conf").write_text(SLURM_CONF.format(
            root=self.root, munge=munge, subnet=SUBNET, nodes=self.nodes, node_lines="\n".join(lines)))
        # Slurm 22.05's default fence does not synchronise nodes: 4 % of the starts crash in MPI_Init.
        (self.root / "mpi.conf").write_text("PMIxCollFence=ring\n")

    def _daemon(self, machine, *command):
        with open(self.root / "log" / f"{machine.name}.{command[0]}.out", "ab") as log:
            self.daemons.append(subprocess.Popen(
                machine.command(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                start_new_session=True))

    def _start_controller(self):
        controller = self.machines["ctl"] = Machine("ctl", self.root)
        controller.network("link", "add", "br0", "type", "bridge")
        controller.network("addr", "add", f"{SUBNET}.254/24", "dev", "br0")
        controller.network("link", "set", "br0", "up")
        munge = self.root / "munge"
        self._daemon(controller, "munged", "--foreground", "--force", f"--socket={munge}/socket",
                     f"--key-file={munge}/key", f"--pid-file={munge}/pid", f"--seed-file={munge}/seed",
                     f"--log-file={self.root}/log/munged.log")
        wait_for(lambda: self.run("munge", "-n", "-S", munge / "socket").returncode == 0, 20, "munged is not up")
        self._daemon(controller, "slurmctld", "-D")
        wait_for(lambda: "UP" in self.run("scontrol", "ping").stdout, 30, "slurmctld is not up")

    # -- faults

    def boot(self, number):
        node = self.machines[f"n{number}"] = Machine(f"n{number}", self.root)
        controller = self.machines["ctl"]
        controller.network("link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0",
                           "netns", str(node.first))
        controller.network("link", "set", f"v{number}", "master", "br0", "up")
        node.network("addr", "add", f"{SUBNET}.{number}/24", "dev", "eth0")
        node.network("link", "set", "eth0", "up")
        self._daemon(node, "slurmd", "-D", "-N", node.name)

    def crash(self, number):
        """Power loss: silent, nothing says goodbye."""
        self.cut(number)
        self.machines.pop(f"n{number}").kill()

    def cut(self, number):
        self.machines["ctl"].network("link", "set", f"v{number}", "down")

    def heal(self, number):
        self.machines["ctl"].network("link", "set", f"v{number}", "up")

    # -- use

    def run(self, *command, timeout=60, **options):
        """A client command on the controller."""
        options = {"env": self.environment, **options}
        return subprocess.run(self.machines["ctl"].command(command), text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=timeout, **options)

    def idle_nodes(self):
        return len(self.run("sinfo", "-h", "-N", "-p", "main", "-t", "idle", "-o", "%N").stdout.split())

    def job_state(self, job):
        return self.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").stdout.strip()

    def logs(self):
        text = ""
        for log in sorted((self.root / "log").glob("*")):
            lines = log.read_text(errors="replace").splitlines()[-15:]
            text += "".join(f"{log.name}: {line}\n" for line in lines)
        return text


def main():
    reason = why_not()
    if reason:
        sys.exit(f"private_slurm: {reason}")
    command = sys.argv[1:] or [os.environ.get("SHELL", "/bin/bash")]
    with PrivateSlurm() as slurm:
        machine = slurm.machines["ctl"]
        sys.exit(subprocess.run(machine.command(command), env=slurm.environment).returncode)


if __name__ == "__main__":
    main()
