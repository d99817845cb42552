"""Films made on the spot."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import chain

import av
import numpy as np


def moving_square(number, shape=(48, 64)):
    """A dark frame with a bright square that goes to the right."""
    frame = np.full((*shape, 3), 40, np.uint8)
    left = (3 * number) % (shape[1] - 12)
    frame[8:20, left : left + 12] = (230, 120, 60)
    return frame


def write_film(path, frames, rate=10, times=None, sound=False):
    """times: seconds at which each frame is shown, else at the rate. sound: a tone as long as the film."""
    frames = iter(frames)
    first = next(frames)
    count = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "12", "bf": "0"})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        tick_s = Fraction(1, rate) if times is None else Fraction(1, 1000)
        stream.codec_context.time_base = tick_s
        track = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        for number, pixels in enumerate(chain([first], frames)):
            count = number + 1
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.time_base = tick_s
            frame.pts = number if times is None else round(times[number] / tick_s)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track is not None:
            _write_tone(container, track, count / rate)


def _write_tone(container, track, seconds):
    for start in range(0, round(48000 * seconds), 1024):
        wave = np.sin((start + np.arange(1024)) * 2 * np.pi * 440 / 48000, dtype=np.float32)[None]
        tone = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave), format="fltp", layout="mono")
        tone.sample_rate, tone.pts, tone.time_base = 48000, start, Fraction(1, 48000)
        container.mux(track.encode(tone))
    container.mux(track.encode())


def turn_clockwise(path):
    """Mark the MP4 as phones do when held upright: show it turned by 90 degrees clockwise (ISO 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    one, w = 1 << 16, 1 << 30
    content[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, w)
    path.write_bytes(content)


def read_back(path):
    """The frames and the rate of a film."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)], stream.average_rate
