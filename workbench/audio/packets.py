"""Packets that wait for their time, by their place on the sender's clock."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator

from workbench.audio.frames import Pcm, silence


class WaitingPackets:
    """Sound by media position, in order and without overlaps. Positions and lengths in samples."""

    def __init__(self) -> None:
        self._packets: deque[tuple[int, Pcm]] = deque()

    def __len__(self) -> int:
        return len(self._packets)

    def __iter__(self) -> Iterator[tuple[int, Pcm]]:
        return iter(self._packets)

    @property
    def begin(self) -> int:
        """Position of the first sample. Raises IndexError when nothing waits."""
        return self._packets[0][0]

    @property
    def end(self) -> int:
        """Position after the last sample. Raises IndexError when nothing waits."""
        media, pcm = self._packets[-1]
        return media + pcm.size

    def insert(self, media: int, pcm: Pcm) -> bool:
        """Keeps the part of the packet that is new. False when there is none."""
        if not self._packets or media >= self.end:
            self._packets.append((media, pcm))
            return True
        where = bisect_left(self._packets, media, key=lambda packet: packet[0])
        low = media
        if where > 0:
            before, sound = self._packets[where - 1]
            low = max(low, before + sound.size)
        high = media + pcm.size
        if where < len(self._packets):
            high = min(high, self._packets[where][0])
        if low >= high:
            return False
        self._packets.insert(where, (low, pcm[low - media : high - media]))
        return True

    def peek(self, begin: int, samples: int) -> tuple[Pcm, int]:
        """`begin` to `begin + samples` with silence in its holes, and how much of it that is."""
        out, found, end = silence(samples), 0, begin + samples
        for media, pcm in self._packets:
            if media >= end:
                break
            low, high = max(media, begin), min(media + pcm.size, end)
            if low < high:
                out[low - begin : high - begin] = pcm[low - media : high - media]
                found += high - low
        return out, samples - found

    def cut(self, begin: int, samples: int) -> tuple[Pcm, int]:
        """As `peek`, and what lies before the end is forgotten."""
        taken = self.peek(begin, samples)
        end = begin + samples
        while self._packets and self.begin < end:
            media, pcm = self._packets.popleft()
            if media + pcm.size > end:
                self._packets.appendleft((end, pcm[end - media :]))
        return taken
