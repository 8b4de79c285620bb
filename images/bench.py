"""The bench kind: one large volume as an office PC has after years, to measure with. README.md counts what is in it."""

import nt
import pe
import trees
from volume import Mailbox, Noise, text

DOCUMENTS, PHOTOS, CACHE, SIDE_BY_SIDE = 3500, 620, 15_000, 24_000
MIDDLE = "Contoso/Projects/Archive"


def build(m):
    w = trees.Writer(m)
    trees.windows(w)
    trees.programs(w)
    trees.shared(w)
    for person in m.people:
        trees.profile(w, person)
    trees.root_files(w)
    return w.tree
