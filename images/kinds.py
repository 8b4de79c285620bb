"""The kinds of volume there are: how large each is, and what is to be on it."""

import bench
import machine
import newwindows
import trees

MEGABYTES = {
    "sample": 32, "win7": 256, "winxp": 256, "win10": 256, "win11": 256, "win11used": 256, "win11copyprofile": 256, "bench": 6144,
}  # fmt: skip


def plan(kind, seed, disk):
    """The machine of a kind and the tree of its volume; nothing is written yet."""
    m = machine.machine(kind, seed, disk)
    maker = bench if kind == "bench" else newwindows if m.target else trees
    return m, maker.build(m)
