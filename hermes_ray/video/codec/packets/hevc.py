"""What an HEVC packet holds, from its NAL units' headers (ITU-T H.265, clauses 7.3.1, 7.3.2.3 and 7.3.6)."""

from dataclasses import dataclass

from hermes_ray.video.codec.orientation import Orientation
from hermes_ray.video.codec.packets.bits import BitReader
from hermes_ray.video.codec.packets.contents import PacketContents
from hermes_ray.video.codec.packets.nal_units import Framing, escaped, unescaped
from hermes_ray.video.codec.packets.sei import MAX_SEI_BYTES, read_sei

_RASL = frozenset({8, 9})
_BROKEN_LINK = frozenset({16, 17, 18})
_CRA = 21
_IRAP = frozenset(range(16, 24))
_LAST_CODED = 31
_SPS, _PPS = 33, 34
_END_OF_SEQUENCE = 36
_SEI = frozenset({39, 40})
_WITHOUT_PICTURE = frozenset(range(32, 41))
"""Parameter sets, delimiters, ends of sequence and stream, filler and SEI."""
_HEADER_BYTES = 64
_SEI_MESSAGE_END = b"\x80"


@dataclass(frozen=True, slots=True)
class _PictureParameters:
    sequence: int
    names_output: bool
    extra_bits: int


class HevcReader:
    """Reads what packets hold, and takes from them the messages that make libav's strict decoder refuse pictures.

    Args:
        framing: how the units of a packet follow each other.
    """

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._sequences: set[int] = set()
        self._pictures: dict[int, _PictureParameters] = {}
        self._ended = True  # the sequence before, or there was none
        self._skips_leading = False  # decoding began at the present random access point
        self._orientation: Orientation | None = None

    def configure(self, extradata: bytes) -> None:
        """Take the parameter sets of an ``hvcC`` box (ISO/IEC 14496-15, clause 8.3.3.1), or of a byte stream."""
        if extradata[:1] != b"\1":
            self._take_parameters(Framing(None).split(extradata))
            return
        if len(extradata) < 23:
            return
        self._framing = Framing((extradata[21] & 3) + 1)
        position = 23
        for _ in range(extradata[22]):
            count = int.from_bytes(extradata[position + 1 : position + 3], "big")
            position += 3
            for _ in range(min(count, len(extradata))):
                size = int.from_bytes(extradata[position : position + 2], "big")
                self._take_parameters([extradata[position + 2 : position + 2 + size]])
                position += 2 + size

    def read(self, packet: bytes) -> PacketContents:
        """Say what the next packet holds."""
        units = [unit for unit in self._framing.split(packet) if len(unit) >= 2]
        self._take_parameters(units)
        needed, recovery_point = self._without_messages(units)
        data = self._framing.join(needed) if needed != units else None
        ends = any(_kind(unit) == _END_OF_SEQUENCE for unit in units)
        coded = [unit for unit in units if _kind(unit) <= _LAST_CODED and _layer(unit) == 0]
        if not coded:
            self._ended |= ends
            harmless = all(_kind(unit) in _WITHOUT_PICTURE for unit in units)
            # Otherwise it may be a damaged picture: one is owed.
            return PacketContents(picture=not harmless, coded=not harmless, shown=not harmless, data=data)
        kind = _kind(coded[0])
        if kind in _IRAP:
            self._skips_leading = kind in _BROKEN_LINK or (kind == _CRA and self._ended)
        self._ended = ends
        leading = kind in _RASL and self._skips_leading
        return PacketContents(
            shown=not leading and self._is_output(coded[0]),
            random_access=kind in _IRAP or recovery_point,
            whole_from_here=kind in _IRAP,
            may_drop_pending=kind in _IRAP,
            parameter_sets=self._knows_parameters(coded[0]),
            orientation=self._orientation,
            data=data,
        )

    def _take_parameters(self, units: list[bytes]) -> None:
        for unit in units:
            reader = BitReader(unescaped(unit[2:], _HEADER_BYTES))
            try:
                if _kind(unit) == _SPS:
                    self._sequences.add(_read_sequence_name(reader))
                elif _kind(unit) == _PPS:
                    name, sequence, _, names_output = reader.ue(), reader.ue(), reader.flag(), reader.flag()
                    self._pictures[name] = _PictureParameters(sequence, names_output, reader.bits(3))
            except EOFError:
                continue  # which leaves it unknown; the decoder judges whether that matters

    def _without_messages(self, units: list[bytes]) -> tuple[list[bytes], bool]:
        needed = []
        recovery_point = False
        for unit in units:
            if _kind(unit) in _SEI:
                messages = read_sei(unescaped(unit[2:], MAX_SEI_BYTES))
                recovery_point |= messages.recovery_point
                self._orientation = messages.orientation or self._orientation
                if messages.kept:
                    needed.append(unit[:2] + escaped(messages.kept + _SEI_MESSAGE_END))
            else:
                needed.append(unit)
        return needed, recovery_point

    def _knows_parameters(self, unit: bytes) -> bool:
        parameters = self._parameters(unit)
        return parameters is not None and parameters.sequence in self._sequences

    def _parameters(self, unit: bytes) -> _PictureParameters | None:
        try:
            return self._pictures.get(_begin_slice(unit)[1])
        except EOFError:
            return None

    def _is_output(self, unit: bytes) -> bool:
        """Whether the picture is meant to be shown: ``pic_output_flag``."""
        try:
            reader, name = _begin_slice(unit)
            parameters = self._pictures.get(name)
            if parameters is None or not parameters.names_output:
                return True
            reader.bits(parameters.extra_bits)
            reader.ue()  # slice type
            return reader.flag()
        except EOFError:
            return True


def _kind(unit: bytes) -> int:
    return (unit[0] >> 1) & 0x3F if unit else _LAST_CODED + 1


def _layer(unit: bytes) -> int:
    return (unit[0] & 1) << 5 | unit[1] >> 3


def _begin_slice(unit: bytes) -> tuple[BitReader, int]:
    """Return a picture's first slice, read up to the number of its parameter set, and that number."""
    reader = BitReader(unescaped(unit[2:], _HEADER_BYTES))
    reader.flag()  # first slice
    if _kind(unit) in _IRAP:
        reader.flag()  # no output of prior pictures
    return reader, reader.ue()


def _read_sequence_name(reader: BitReader) -> int:
    """Return a sequence parameter set's number, which follows its profiles and levels (clause 7.3.3)."""
    reader.bits(4)
    layers = reader.bits(3)
    reader.flag()
    reader.bits(96)  # the general profile, tier and level
    present = [(reader.flag(), reader.flag()) for _ in range(layers)]
    if layers:
        reader.bits(2 * (8 - layers))
    for profile, level in present:
        reader.bits(88 * profile + 8 * level)
    return reader.ue()
