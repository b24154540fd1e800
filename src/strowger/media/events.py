"""The seam of the media engine: commands in, events out.

Frozen and free of references, so that both can cross into a process of its own. PCM itself
travels through the rings of `media/rings.py`. Positions are absolute counts of 8 kHz samples
since the line opened; times are seconds on the monotonic clock that the shell passes in.
"""

from dataclasses import dataclass
from enum import StrEnum


class Codec(StrEnum):
    """What a line speaks on the wire. All are 8 kHz, so that positions mean the same."""

    PCMU = "PCMU"
    PCMA = "PCMA"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLine:
    """Take row `line` of the engine's matrices into use."""

    line: int
    codec: Codec
    payload_type: int
    telephone_event: int | None
    """Payload type of RFC 4733 digits, where both sides have it."""
    ssrc: int
    first_sequence: int
    first_timestamp: int
    record: bool
    detect_voice: bool = True


@dataclass(frozen=True, slots=True)
class CloseLine:
    """Give the row back. The line's last events and recording chunk come with the next tick."""

    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCodec:
    """A re-INVITE agreed on other payload types."""

    line: int
    codec: Codec
    payload_type: int
    telephone_event: int | None


@dataclass(frozen=True, slots=True)
class HoldLine:
    """Send nothing (the far end asked for `sendonly` or `inactive`), or go on."""

    line: int
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginUtterance:
    """PCM from `position` of the playout ring on belongs to this utterance."""

    line: int
    utterance: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUtterance:
    """The utterance has no PCM at or after `position`."""

    line: int
    utterance: int
    position: int


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Drop all PCM that has not left; answered by PlayoutEnded for each utterance not ended."""

    line: int


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send RFC 4733 digits (`0-9*#A-D`), one after another, in place of speech."""

    line: int
    digits: str


Command = (
    OpenLine
    | CloseLine
    | ChangeCodec
    | HoldLine
    | BeginUtterance
    | EndUtterance
    | StopPlaying
    | SendDigits
)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The far end began to speak at `position` of the capture ring."""

    line: int
    at: float
    """When its first voiced packet arrived."""
    position: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The far end fell silent; found out some time after `at`."""

    line: int
    at: float
    """When its last voiced packet arrived."""
    position: int
    """End of the voiced sound in the capture ring."""


@dataclass(frozen=True, slots=True)
class DigitReceived:
    line: int
    at: float
    digit: str


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first packet of the utterance left."""

    line: int
    at: float
    utterance: int
    waited: float = 0.0
    """Seconds from the utterance's first sound until then."""


@dataclass(frozen=True, slots=True)
class PlayoutEnded:
    """Nothing more of the utterance will leave."""

    line: int
    at: float
    utterance: int
    samples: int
    """How much of it left, in 8 kHz samples."""
    complete: bool


@dataclass(frozen=True, slots=True)
class DigitsSent:
    line: int
    at: float


@dataclass(frozen=True, slots=True)
class MediaLost:
    """Nothing has come from the far end for `seconds`; said once until something comes again."""

    line: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class RecordingChunk:
    """Interleaved stereo, signed 16-bit little-endian at 8 kHz: left the far end, right us."""

    line: int
    pcm: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LineClosed:
    """The row is free again; the figures of the whole line."""

    line: int
    at: float
    packets_received: int
    packets_sent: int
    packets_lost: int
    """Expected by sequence number, never come."""
    packets_late: int
    """Came after their moment."""
    jitter: float
    """Seconds; RFC 3550 section 6.4.1."""
    concealed_samples: int
    underrun_samples: int
    """Silence that was sent inside an utterance because its PCM had not come."""


Event = (
    SpeechStarted
    | SpeechStopped
    | DigitReceived
    | PlayoutStarted
    | PlayoutEnded
    | DigitsSent
    | MediaLost
    | RecordingChunk
    | LineClosed
)
