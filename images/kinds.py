"""The kinds of volume there are: how large each is, and what is to be on it."""

import bench
import machine
import trees

MEGABYTES = {"sample": 32, "win7": 256, "winxp": 256, "win10": 256, "win11": 256, "bench": 6144}


def plan(kind, seed, disk):
    """The machine of a kind and the tree of its volume; nothing is written yet."""
    m = machine.machine(kind, seed, disk)
    return m, (bench if kind == "bench" else trees).build(m)
