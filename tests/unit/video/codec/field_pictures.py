"""An encoder of field pictures (PAFF), which x264 does not make: I_PCM macroblocks only, so every value is exact.

ITU-T H.264, clauses 7.3.2.1.1, 7.3.2.2, 7.3.3 and 7.3.5.
"""

import re


class Bits:
    def __init__(self):
        self.text = ""

    def u(self, count, value):
        self.text += f"{value:0{count}b}"
        return self

    def ue(self, *values):
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def aligned(self):
        self.text += "0" * (-len(self.text) % 8)
        return self

    def samples(self, values):
        self.text += "".join(f"{int(value):08b}" for value in values)
        return self

    def unit(self, head):
        bits = self.text + "1"
        bits += "0" * (-len(bits) % 8)
        body = int(bits, 2).to_bytes(len(bits) // 8, "big")
        return b"\0\0\0\1" + bytes([head]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", body)


def parameter_sets(width, height):
    """For frames of ``width`` x ``height``, multiples of 16 and 32, coded as pairs of fields."""
    sequence = Bits().u(8, 77).u(8, 0).u(8, 30).ue(0, 0, 2, 1).u(1, 0).ue(width // 16 - 1, height // 32 - 1)
    sequence.u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 0)  # fields, no MBAFF, direct 8x8, no cropping, no VUI
    picture = Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).u(3, 0).ue(0, 0, 0).u(1, 1).u(2, 0)
    return sequence.unit(0x67) + picture.unit(0x68)


def field(lines, number, *, bottom, idr):
    """One field: ``lines`` are its luma values, grey in colour; ``number`` that of its frame."""
    bits = Bits().ue(0, 7, 0).u(4, number % 16).u(1, 1).u(1, bottom)
    if idr:
        bits.ue(0).u(2, 0)
    else:
        bits.u(1, 0)
    bits.ue(0, 1)  # quantiser as in the parameters; no deblocking
    height, width = lines.shape
    for top in range(0, height, 16):
        for left in range(0, width, 16):
            block = lines[top : top + 16, left : left + 16].reshape(-1)
            bits.ue(25).aligned().samples(block).samples([128] * 128)
    return bits.unit(0x65 if idr else 0x61)


def field_pairs(frames):
    """The access units of a stream, one for each field; the parameter sets are in the first."""
    units = [
        field(luma[bottom::2], number, bottom=bottom, idr=number == 0 and not bottom)
        for number, luma in enumerate(frames)
        for bottom in (0, 1)
    ]
    height, width = frames[0].shape
    return [parameter_sets(width, height) + units[0], *units[1:]]
