#!/usr/bin/env python3
"""Compares the users' files of an old Windows with those of the new one, for tests/rehearsal.

    rehearsal.py SHOW.json OLD-ROOT NEW-ROOT SAID

SHOW.json is what `show --json` says of the datastore, SAID is what the run printed. Of each user who could go into the new Windows
by his SID, every file must be there with the bytes it had, where SAID says that its folder goes, or have been named in SAID with
a reason. A shell link into a folder that goes elsewhere must lead there instead.
"""

import json
import sys
from pathlib import Path

BY_SID = ("domain", "entra")
# A new profile has its own; settings arrive as keys in its hives, and the old hives stay in the datastore.
OF_THE_PROFILE = ("ntuser.", "usrclass.dat")


def is_plain(file):
    return not file.get("directory") and not file.get("reparse_tag")


def moves(said):
    """Folders that have another place in the new Windows: lines such as `  \\Users\\a\\Old goes to \\Users\\a\\New`."""
    pairs = (line.strip().split(" goes to ") for line in said.splitlines() if line.startswith("  \\") and " goes to " in line)
    return [(old[1:].replace("\\", "/") + "/", new[1:].replace("\\", "/") + "/") for old, new in pairs]


def is_led(old, new, moved):
    """Whether a shell link that led into a folder leads to the folder's new place, and to the old one no more."""
    places = [[part.rstrip("/").replace("/", "\\").encode("utf-16-le") for part in pair] for pair in moved]
    return any(frm in old and frm not in new and to in new for frm, to in places)


def compare(document, old_root, new_root, said):
    same, named, wrong = [], [], []
    moved = moves(said)
    for saved in document:
        user = saved["personality"]["header"]["user"]
        if not user or user["kind"] not in BY_SID:
            continue
        for file in (item["file"] for item in saved["items"] if "file" in item and is_plain(item["file"])):
            for path in (name["path"] for name in file["names"]):
                if path.rpartition("/")[2].lower().startswith(OF_THE_PROFILE):
                    continue
                there = next((to + path[len(frm) :] for frm, to in moved if path.startswith(frm)), path)
                old, new = old_root / path, new_root / there
                if new.is_file() and old.read_bytes() == new.read_bytes():
                    same.append(path)
                elif new.is_file() and path.lower().endswith(".lnk") and is_led(old.read_bytes(), new.read_bytes(), moved):
                    same.append(path)
                elif path.replace("/", "\\") in said:
                    named.append(path)
                else:
                    wrong.append(path)
    return same, named, wrong


def main(show, old, new, said):
    document = json.loads(Path(show).read_text("utf-8"))
    same, named, wrong = compare(document, Path(old), Path(new), Path(said).read_text("utf-8", "replace"))
    print(f"{len(same)} files are as they must be, {len(named)} were named with a reason, {len(wrong)} are neither")
    for path in wrong[:20]:
        print("neither there nor named:", path)
    if wrong or len(same) < 100:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
