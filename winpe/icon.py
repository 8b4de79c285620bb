#!/usr/bin/env python3
"""Draws coldstate.ico: a snow crystal on a blue tile, in the sizes that Windows asks for.

    winpe/icon.py winpe/coldstate.ico

Every size is drawn by itself, with lines that get relatively thicker as the tile gets smaller, and is smoothed by drawing
it eight times as large. Needs nothing but Python. The result is committed, so that a build needs not even that.
"""

import math
import struct
import sys
import zlib

SIZES = (16, 24, 32, 48, 256)
FINER = 8  # each pixel is the mean of FINER x FINER points
TOP, BOTTOM, CRYSTAL = (46, 134, 193), (21, 67, 118), (255, 255, 255)


def segments(small):
    """The crystal's lines, in a square from -1 to 1: six arms, each with a pair of branches where there is room for them."""
    lines = []
    for arm in range(6):
        angle = math.pi / 6 + arm * math.pi / 3
        x, y = math.cos(angle), math.sin(angle)
        lines.append((0.0, 0.0, 0.74 * x, 0.74 * y))
        for side in () if small else (-1, 1):
            turned = angle + side * math.pi / 4
            x0, y0 = 0.40 * x, 0.40 * y
            lines.append((x0, y0, x0 + 0.26 * math.cos(turned), y0 + 0.26 * math.sin(turned)))
    return lines


def distance(x, y, line):
    x0, y0, x1, y1 = line
    dx, dy = x1 - x0, y1 - y0
    along = max(0.0, min(1.0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)))
    return math.hypot(x - x0 - along * dx, y - y0 - along * dy)


def inside_tile(x, y, corner=0.36):
    reach = 0.97 - corner
    return math.hypot(max(abs(x) - reach, 0.0), max(abs(y) - reach, 0.0)) <= corner


def draw(size):
    """Rows of (red, green, blue, alpha), from the top."""
    finer = FINER if size < 100 else 3
    thick = 0.055 + 1.1 / size
    lines = segments(size < 24)
    rows = []
    for row in range(size):
        pixels = []
        for column in range(size):
            red = green = blue = covered = 0
            for point in range(finer * finer):
                x = 2 * (column + (point % finer + 0.5) / finer) / size - 1
                y = 2 * (row + (point // finer + 0.5) / finer) / size - 1
                if not inside_tile(x, y):
                    continue
                covered += 1
                shade = (y + 1) / 2
                colour = tuple(top + (bottom - top) * shade for top, bottom in zip(TOP, BOTTOM))
                if any(distance(x, y, line) <= thick for line in lines):
                    colour = CRYSTAL
                red, green, blue = red + colour[0], green + colour[1], blue + colour[2]
            n = max(covered, 1)
            pixels.append((round(red / n), round(green / n), round(blue / n), round(255 * covered / finer**2)))
        rows.append(pixels)
    return rows


def as_bitmap(rows):
    """A device-independent bitmap as icons hold it: from the bottom, with an unused mask below."""
    size = len(rows)
    mask = bytes(4 * ((size + 31) // 32) * size)
    colours = b"".join(struct.pack("4B", b, g, r, a) for row in reversed(rows) for r, g, b, a in row)
    header = struct.pack("<IiiHHIIiiII", 40, size, 2 * size, 1, 32, 0, len(colours) + len(mask), 0, 0, 0, 0)
    return header + colours + mask


def as_png(rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows), len(rows), 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def main(path):
    # Windows XP and boot images read only bitmaps; the largest would be 260 kB as one, and Windows 7 reads PNG.
    images = [as_png(draw(size)) if size == 256 else as_bitmap(draw(size)) for size in SIZES]
    directory, position = struct.pack("<HHH", 0, 1, len(images)), 6 + 16 * len(images)
    for size, image in zip(SIZES, images):
        directory += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(image), position)
        position += len(image)
    with open(path, "wb") as file:
        file.write(directory + b"".join(images))


if __name__ == "__main__":
    main(*sys.argv[1:])
