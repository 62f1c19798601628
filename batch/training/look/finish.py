"""What happens to a scan after its capture: dirt, other sizes, a desk around it, JPEG."""

from __future__ import annotations

import math

import cv2
import numpy as np

from batch.records import Grey
from batch.training.look.mixture import SEVERAL, Box, Field, Scene
from batch.training.look.patterns import BANK_PX
from batch.training.look.studio import Studio

MIN_DIGIT_PX = 4.0  # height of the smallest digit or letter that a person could read in a finished scan
REDUCED_PX = (7, 10)  # a digit keeps one of these heights at least when the scan is made small


def finish(studio: Studio, scan: Field, extras: set[str], box: Box | None, label: int, kind: str) -> Scene:
    """Turn the levels of a scan into a scene, with the extras that come after the capture."""
    random = studio.random
    u = random.uniform
    grey: Grey = cv2.convertScaleAbs(cv2.max(scan, 0.0))
    if "specks" in extras:
        height, width = grey.shape
        for _ in range(random.randint(1, 6)):
            place, radius = (int(u(0, width)), int(u(0, height))), int(u(0, max(1.0, 0.018 * height)))
            cv2.circle(grey, place, radius, round(u(0, 160)), -1)
        if random.random() < 0.3:
            specks = studio.crop(studio.noise[0], height, width) > u(2.2, 3)
            grey[specks] = random.choice((0, 0, 255))
    if "stretched" in extras:
        height, width = grey.shape
        x, y = (u(0.75, 1.3), 1.0) if random.random() < 0.5 else (1.0, u(0.75, 1.3))
        grey, box = _resized(grey, max(8, round(width * x)), max(8, round(height * y)), box)
    if "low-resolution" in extras:
        height, width = grey.shape
        side = u(14, 44) * (1.6 if label == SEVERAL or (box and box[3] - box[1] < 0.4 * height) else 1.0)
        scale = side / max(height, width)
        if box:
            scale = max(scale, u(*REDUCED_PX) / max(1.0, box[3] - box[1]))
        if scale < 1:
            small, small_box = _resized(
                grey, max(6, round(width * scale)), max(6, round(height * scale)), box
            )
            if random.random() < 0.25:
                grey = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
            else:
                grey, box = small, small_box
    if "tile" in extras:
        height, width = grey.shape
        pads = [round(u(0.04, 0.4) * max(height, width)) if random.random() < 0.8 else 0 for _ in range(4)]
        level = random.choice((255, 255, 0, 0, round(u(0, 255))))
        top, bottom, left, right = pads
        grey = cv2.copyMakeBorder(grey, top, bottom, left, right, cv2.BORDER_CONSTANT, value=level)
        box = _moved(box, left, top)
    elif "slip" in extras:
        grey, box = _put_on_desk(studio, grey, box)
    if "jpeg" in extras:
        _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, random.randint(25, 85)])
        grey = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return Scene(grey, label, box, kind)


def _put_on_desk(studio: Studio, grey: Grey, box: Box | None) -> tuple[Grey, Box | None]:
    """Lay a slip of paper on a desk, straight or a little turned."""
    random = studio.random
    u = random.uniform
    height, width = grey.shape
    tall, wide = round(height * u(1.1, 2.0)), round(width * u(1.1, 2.0))
    desk = np.full((tall, wide), u(0, 150) if random.random() < 0.85 else u(150, 255), np.float32)
    if tall < BANK_PX and wide < BANK_PX:
        texture = random.choice((*studio.smooth, *studio.patterns[5::7]))
        desk += studio.crop(texture, tall, wide) * np.float32(u(0, 14))
        desk += studio.crop(studio.noise[0], tall, wide) * np.float32(u(0, 5))
    out = cv2.convertScaleAbs(cv2.max(desk, 0.0))
    top, left = (tall - height) * u(-0.1, 1.1), (wide - width) * u(-0.1, 1.1)
    top, left = round(min(max(top, 0), tall - height)), round(min(max(left, 0), wide - width))
    if random.random() < 0.7:
        out[top : top + height, left : left + width] = grey
    else:
        turn = math.degrees(random.gauss(0, 0.06))
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
        matrix[:, 2] += left, top
        mask = cv2.warpAffine(np.full_like(grey, 255), matrix, (wide, tall))
        turned = cv2.warpAffine(grey, matrix, (wide, tall), borderMode=cv2.BORDER_REPLICATE)
        np.copyto(out, turned, where=mask > 127)
    return out, _moved(box, left, top)


def scale_box(box: Box, x: float, y: float) -> Box:
    """Scale a box with its scan."""
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def _resized(grey: Grey, width: int, height: int, box: Box | None) -> tuple[Grey, Box | None]:
    """Resize a scan, and its box with it."""
    if box:
        box = scale_box(box, width / grey.shape[1], height / grey.shape[0])
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), box


def _moved(box: Box | None, x: float, y: float) -> Box | None:
    """Move a box, if there is one."""
    return (box[0] + x, box[1] + y, box[2] + x, box[3] + y) if box else None
