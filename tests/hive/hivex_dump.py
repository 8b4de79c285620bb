#!/usr/bin/env python3
"""Prints every key and value of a hive as hivex reads it, one tab-separated line each; the peer of `dump` in mod.rs.

K <path> <time>          path: names in UTF-16LE hexadecimal, each behind a backslash
V <path> <name> <type> <data>
"""
import sys

import hivex


def text(name):
    return name.encode("utf-16le", "surrogatepass").hex()


def main(path):
    try:
        hive = hivex.Hivex(path, unsafe=True)
    except RuntimeError as error:
        print("refused:", error)
        return
    out = sys.stdout
    stack = [(hive.root(), "")]
    seen = set()
    while stack:
        key, name = stack.pop()
        if key in seen:
            continue
        seen.add(key)
        out.write(f"K\t{name}\t{hive.node_timestamp(key)}\n")
        try:
            values = hive.node_values(key)
        except RuntimeError:
            values = []
        for value in values:
            try:
                kind, data = hive.value_value(value)
                out.write(f"V\t{name}\t{text(hive.value_key(value))}\t{kind & 0xFFFFFFFF}\t{data.hex()}\n")
            except (RuntimeError, UnicodeError) as error:
                out.write(f"E\t{name}\t{error}\n")
        try:
            children = hive.node_children(key)
        except RuntimeError:
            children = []
        for child in children:
            stack.append((child, name + "\\" + text(hive.node_name(child))))


main(sys.argv[1])
