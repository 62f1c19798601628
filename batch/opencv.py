"""OpenCV's threads around a fork, which takes only the thread that calls it along."""

from __future__ import annotations

import functools
import os

import cv2

_counts: list[int] = []


@functools.cache
def stop_at_forks() -> None:
    """End OpenCV's threads before each fork from now on; parent and child start as many when they need them.

    Else a child may wait for ever for a thread that it does not have. Call this before a lock is registered
    that keeps threads of digitbox from using OpenCV meanwhile: a fork takes what was registered last first.
    """
    os.register_at_fork(before=_stop, after_in_parent=_allow, after_in_child=_allow)


def _stop() -> None:
    _counts.append(cv2.getNumThreads())
    cv2.setNumThreads(1)


def _allow() -> None:
    cv2.setNumThreads(_counts.pop())
