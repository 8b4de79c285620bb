"""The bench kind: a large volume as an office PC has after years, to measure with. README.md counts what is in it."""

import trees
from volume import Letters, Mailbox, Noise, journal

COMPONENTS, LINKED = 18_000, 6_000  # files of Windows, and how many of them System32 has too
PROGRAM_FILES, CACHED, DOCUMENTS, PHOTOS, COMPRESSED = 8_000, 15_000, 13_500, 700, 500
MAILBOX = 600 << 20
SHARED = 5  # one of so many documents and photos is a copy of what everybody has
WORDS = "Angebot Bericht Budget Contract Entwurf Größen Invoice Meeting Notes Offer Plan Protokoll Résumé Summary Übersicht 見積書 отчёт".split()


def build(m):
    w = trees.Writer(m)
    trees.windows(w)
    components(w)
    trees.programs(w)
    program_files(w)
    trees.shared(w)
    for person in m.people:
        trees.profile(w, person)
        documents(w, person, DOCUMENTS // len(m.people))
        photos(w, person, PHOTOS // len(m.people))
        cached(w, person, CACHED // len(m.people))
    mailbox(w, m.people[0])
    compressed(w, m.people[1])
    trees.root_files(w)
    return w.tree


def number(w):
    return w.rng.getrandbits(48)


def components(w):
    """WinSxS holds the files, System32 further names of a third of them."""
    build = f"10.0.{w.m.build}"
    for i in range(COMPONENTS):
        folder = f"Windows/WinSxS/amd64_component-{i // 3:05}_31bf3856ad364e35_{build}.{i // 3 % 1900}_none_{i // 3 * 0x9E3779B1 & 0xFFFFFFFF:016x}"
        name = f"component{i:05}.dll"
        size = w.rng.randrange(1_000, 24_000)
        w.file(f"{folder}/{name}", (Letters if i % 2 else Noise)(number(w), size))
        if i % (COMPONENTS // LINKED) == 0:
            w.tree.link(f"Windows/System32/{name}", f"{folder}/{name}")


def program_files(w):
    for i in range(PROGRAM_FILES):
        w.file(f"Program Files/Contoso/Suite {i // 400}/lib/part{i // 40:03}/resource {i:04}.dat", Letters(number(w), w.rng.randrange(500, 40_000)))


def content(w, i, kind, size):
    """The content of somebody's i-th file; one in SHARED is what everybody else has there too."""
    if i % SHARED == 0:
        return kind(i, size(i * 7919))
    return kind(number(w), size(w.rng.randrange(1 << 30)))


def documents(w, person, count):
    home = w.m.place(person, "Personal")
    for i in range(count):
        word = WORDS[w.rng.randrange(len(WORDS))]
        zipped = i % 2 == 0  # docx and xlsx are zip files, which nothing makes smaller
        data = content(w, i, Noise if zipped else Letters, lambda chance: 4_000 + chance % 96_000)
        w.file(f"{home}/{2008 + i % 13}/{word} {i // 130:02}/{word} {i:05}.{'docx' if zipped else 'txt'}", data, w.lately(person))


def photos(w, person, count):
    home = w.m.place(person, "My Pictures")
    for i in range(count):
        data = content(w, 1_000_000 + i, Noise, lambda chance: (2 << 20) + chance % (2 << 20))
        w.file(f"{home}/{2010 + i % 11}/DSC{i:05}.JPG", data, w.lately(person))


def cached(w, person, count):
    home = w.m.place(person, "Local AppData") + "/Google/Chrome/User Data/Default/Code Cache"
    for i in range(count):
        w.file(f"{home}/{i % 16:x}/{number(w):016x}_0", Noise(number(w), w.rng.randrange(300, 16_000)), w.lately(person))


def mailbox(w, person):
    w.file(f"{w.m.place(person, 'Personal')}/Outlook Files/mail.pst", Mailbox(number(w), MAILBOX), w.lately(person))


def compressed(w, person):
    """A folder somebody compressed to save space: LZNT1."""
    home = w.m.place(person, "Personal") + "/Old logs"
    w.folder(home, attributes=trees.nt.COMPRESSED)
    for i in range(COMPRESSED):
        data = journal(w.rng, 60_000 + 400 * i) if i % 50 == 0 else Letters(number(w), 60_000 + 400 * i)
        w.file(f"{home}/{i // 50}/service-{i:03}.log", data, w.lately(person))
