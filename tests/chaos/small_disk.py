"""A file system that is soon full: a small tmpfs, enlarged later. Needs root."""
import os
import subprocess


def why_not(folder):
    """Empty if one can be mounted, else the reason."""
    if os.geteuid() != 0:
        return "mounting a small tmpfs needs root"
    folder.mkdir(parents=True, exist_ok=True)
    if not mount(folder, 100):
        return "mounting a small tmpfs does not work here"
    unmount(folder)
    return ""


def mount(folder, kilobytes):
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)],
                          capture_output=True).returncode == 0


def enlarge(folder):
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True, capture_output=True)


def unmount(folder):
    subprocess.run(["umount", "-l", str(folder)], capture_output=True)
