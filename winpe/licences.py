#!/usr/bin/env python3
"""Collects the licence texts of all that is linked into coldstate.exe.

    winpe/licences.py FOLDER RUST-SOURCE

`winpe/build --zip` calls it. FOLDER gets LIBRARIES.txt (name, version, licence, where it comes from), their texts
in LICENCES-OF-LIBRARIES.txt, and the notices of the Rust standard library and of the mingw-w64 and GCC runtimes as the
machine has them. A library without any text of its own is a failure unless its licence is MIT, whose text is known.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

TRIPLES = ("x86_64-win7-windows-gnu", "i686-win7-windows-gnu")
TEXT = re.compile(r"(licen[cs]e|copying|notice|unlicense|copyright)", re.IGNORECASE)
MIT = """Copyright (c) {authors}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def fail(text):
    sys.exit(f"winpe/licences.py: {text}")


def linked(triple):
    """The packages that end in the exe: those reached over normal dependencies, not over build or test ones."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", triple]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    root, reached, ahead = metadata["resolve"]["root"], set(), [metadata["resolve"]["root"]]
    while ahead:
        package = ahead.pop()
        if package not in reached:
            reached.add(package)
            ahead += [need["pkg"] for need in nodes[package]["deps"] if any(kind["kind"] is None for kind in need["dep_kinds"])]
    return {(packages[each]["name"], packages[each]["version"]): packages[each] for each in reached - {root}}


def texts(package):
    """The licence texts of a package, also of the C sources it brings along."""
    folder = Path(package["manifest_path"]).parent
    found = [path for path in folder.iterdir() if path.is_file() and TEXT.match(path.name)]
    found += [path for path in folder.glob("*/*") if path.is_file() and TEXT.match(path.name)]
    if not found and package["license"] != "MIT":
        fail(f"{package['name']} {package['version']} has no licence text.")
    if not found:
        return MIT.format(authors=", ".join(package["authors"]) or f"the authors of {package['name']}")
    return "\n\n".join(path.read_text("utf-8", "replace").strip() for path in sorted(found))


def notices(rust_source):
    """Files of this machine that speak for what no cargo package is."""
    doc = Path("/usr/share/doc")
    sysroot = Path(rust_source).parents[3]
    rust = [sysroot / "share/doc/rust/COPYRIGHT-library.html", doc / "rust-web-src/copyright"]
    mingw, gcc = [doc / "mingw-w64-common/copyright"], [doc / "gcc-mingw-w64-base/copyright"]
    for name, places in (("rust-standard-library", rust), ("mingw-w64", mingw), ("gcc-runtime", gcc)):
        place = next((place for place in places if place.is_file()), None) or fail(f"no notice of {name} on this machine.")
        yield name + (place.suffix or ".txt"), place.read_bytes()


def main(folder, rust_source):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    packages = {key: package for triple in TRIPLES for key, package in linked(triple).items()}
    listing, collected = [], []
    for (name, version), package in sorted(packages.items()):
        listing.append(f"{name} {version}: {package['license']}, {package['repository'] or 'crates.io'}")
        collected.append(f"{'=' * 100}\n{name} {version} ({package['license']})\n{'=' * 100}\n\n{texts(package)}\n")
    (folder / "LIBRARIES.txt").write_text("\n".join(listing) + "\n", "utf-8")
    (folder / "LICENCES-OF-LIBRARIES.txt").write_text("\n".join(collected), "utf-8")
    for name, content in notices(rust_source):
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
