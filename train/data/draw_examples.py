"""Draw the example pictures of the app that no free photo covers: feasts for the eye and dark places.

Everything is computed from noise, light and a seed, at twice the final size, so the pictures belong to the
project. Conventions: a canvas is (H, W, 3) float64, 0..1 in display colour; lengths are in picture heights unless
they say px, and y points down.

References: value noise and its fractal sum after Perlin (1985); trees by recursive branching.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["SCENES", "save"]

Canvas = NDArray[np.float64]
Colour = tuple[float, float, float]

WIDTH, HEIGHT = 900, 600  # px of the finished pictures
_FINE = 2  # drawn larger by this factor, then averaged
W, H = WIDTH * _FINE, HEIGHT * _FINE
JPEG_QUALITY = 85
MAX_BYTES = 150_000


# --- tools


class Noise:
    """Smooth random values in 0..1 over the plane, the same for the same seed."""

    _SIZE = 256

    def __init__(self, seed: int) -> None:
        self._grid = np.random.default_rng(seed).random((self._SIZE, self._SIZE))

    def __call__(self, x: NDArray, y: NDArray) -> NDArray:
        x, y = np.broadcast_arrays(x, y)
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        u, v = _ease(x - left), _ease(y - top)
        n = self._SIZE
        grid, left, right, top, bottom = self._grid, left % n, (left + 1) % n, top % n, (top + 1) % n
        upper = grid[top, left] * (1 - u) + grid[top, right] * u
        lower = grid[bottom, left] * (1 - u) + grid[bottom, right] * u
        return upper * (1 - v) + lower * v

    def fractal(self, x: NDArray, y: NDArray, octaves: int = 6, gain: float = 0.5) -> NDArray:
        """Octaves of noise, each twice as fine and ``gain`` times as strong; 0..1, mean near 0.5."""
        total: NDArray = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)))
        strength, norm = 1.0, 0.0
        for octave in range(octaves):
            scale, shift = 2.0**octave, 17.3 * octave
            total += strength * self(x * scale + shift, y * scale - shift)
            norm += strength
            strength *= gain
        return total / norm


def _ease(t: NDArray) -> NDArray:
    return t * t * t * (t * (6 * t - 15) + 10)


def _smooth(low: float | NDArray, high: float, x: NDArray) -> NDArray:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _rgb(code: str) -> NDArray:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255.0


def _ramp(t: NDArray, stops: list[tuple[float, str]]) -> Canvas:
    """Colours along a scale: ``t`` of any shape → the same shape with 3 channels."""
    places = [place for place, _ in stops]
    colours = np.array([_rgb(code) for _, code in stops])
    return np.stack([np.interp(t, places, colours[:, channel]) for channel in range(3)], axis=-1)


def _over(canvas: Canvas, colour: NDArray, cover: NDArray) -> Canvas:
    """Paint ``colour`` (3,) or (H, W, 3) where ``cover`` (H, W) is 1, and partly where it is between."""
    return canvas + (colour - canvas) * cover[..., None]


def _pixels() -> tuple[NDArray, NDArray]:
    """Coordinates of every pixel: x in 0..1.5 and y in 0..1 from the top left corner."""
    return np.meshgrid(np.arange(W) / H, np.arange(H) / H)


def _mask(paint: Callable[[ImageDraw.ImageDraw], None], blur: float = 0.0) -> NDArray:
    """What ``paint`` draws in white on black, as cover values (H, W) in 0..1; ``blur`` in final pixels."""
    sheet = Image.new("L", (W, H))
    paint(ImageDraw.Draw(sheet))
    if blur:
        sheet = sheet.filter(ImageFilter.GaussianBlur(blur * _FINE))
    return np.asarray(sheet, dtype=np.float64) / 255.0


def _grade(canvas: Canvas, seed: int, vignette: float, grain: float = 0.012) -> Canvas:
    """Darker corners and a little film grain, which also hides the steps in smooth skies."""
    x, y = _pixels()
    shade = 1.0 - vignette * _smooth(0.45, 1.05, np.hypot((x - 0.75) / 1.1, y - 0.5))
    noise = np.random.default_rng(seed).normal(0.0, grain, (H, W, 1))
    return canvas * shade[..., None] + noise


def _finish(canvas: Canvas) -> Image.Image:
    levels = np.round(np.clip(canvas, 0.0, 1.0) * 255.0).astype(np.uint8)
    return Image.fromarray(levels).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


# --- trees, used by two scenes


def _branch(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    length: float,
    thickness: float,
    droop: float = 0.0,
) -> None:
    """One branch and all that grow from it. Lengths in px; ``angle`` in radians, pi / 2 is straight up."""
    if thickness < 0.7 or length < 4:
        return
    x, y = start
    steps = max(3, int(length / 9))
    for step in range(steps):
        angle += rng.normal(0.0, 0.075) - droop * math.cos(angle) * 0.02
        width = thickness * (1 - 0.32 * step / steps)
        nx, ny = x + math.cos(angle) * length / steps, y - math.sin(angle) * length / steps
        draw.line((x, y, nx, ny), fill=255, width=max(1, round(width)))
        if width > 3:
            draw.ellipse((nx - width / 2, ny - width / 2, nx + width / 2, ny + width / 2), fill=255)
        x, y = nx, ny
        if step > steps * 0.35 and rng.random() < 0.22:
            side = rng.choice((-1, 1)) * rng.uniform(0.5, 1.0)
            _branch(draw, rng, (x, y), angle + side, length * rng.uniform(0.35, 0.6), width * 0.45, droop)
    for side in (-1, 1):
        spread = side * rng.uniform(0.22, 0.55)
        child = length * rng.uniform(0.66, 0.86)
        _branch(draw, rng, (x, y), angle + spread, child, thickness * rng.uniform(0.55, 0.68), droop)


# --- the scenes


def fireworks() -> Image.Image:
    """Fireworks over a town by the water: pleasant and excited."""
    rng = np.random.default_rng(7)
    x, y = _pixels()
    shore = 0.74
    smoke = Noise(14).fractal(x * 1.8, y * 2.6, 6)
    canvas = _ramp(y / shore, [(0.0, "060a1c"), (0.55, "101a3c"), (0.85, "2b2a55"), (1.0, "5b4266")])
    shells = (
        (0.36, 0.27, 0.21, "ffcf5e", "fff3c8"),
        (0.92, 0.21, 0.25, "ff4f6d", "ffd0d6"),
        (1.27, 0.36, 0.16, "5cc8ff", "e2f6ff"),
        (0.66, 0.43, 0.13, "7dff9a", "e9ffe9"),
        (1.12, 0.52, 0.10, "d58bff", "f7e8ff"),
        (0.17, 0.50, 0.10, "ff8f3f", "ffe5c9"),
    )
    for cx, cy, radius, outer, inner in shells:
        glow = np.exp(-np.hypot(x - cx, y - cy) / (0.9 * radius))
        canvas = canvas + (0.30 * glow * (0.35 + smoke))[..., None] * _rgb(outer)
        canvas = _burst(canvas, rng, (cx, cy, radius), _rgb(outer), _rgb(inner), shore)
    canvas = _town(canvas, rng, shore)
    return _finish(_grade(_mirrored(canvas, shore), 6, vignette=0.25))


def _burst(
    canvas: Canvas,
    rng: np.random.Generator,
    shell: tuple[float, float, float],
    outer: NDArray,
    inner: NDArray,
    shore: float,
) -> Canvas:
    """One shell: sparks leave in all directions of a ball, slow down, fall and fade; a faint trail leads up to it."""
    cx, cy, radius = shell
    directions = rng.normal(size=(170, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    speeds = radius * rng.uniform(0.86, 1.05, 170)
    times = np.linspace(0.0, 1.0, 26)
    reach = 1.0 - np.exp(-3.2 * times)  # drag
    fall = 0.17 * radius * times**2

    def sparks(draw: ImageDraw.ImageDraw, fresh: float) -> None:
        for direction, speed in zip(directions, speeds, strict=True):
            px = (cx + direction[0] * speed * reach) * H
            py = (cy + direction[1] * speed * reach + fall) * H
            for step in range(4, 25):
                light = (step / 25) ** 1.6 if step < 22 else 1.0
                if step / 25 < fresh:
                    continue
                width = max(1, round(_FINE * (0.5 + 1.1 * step / 25)))
                draw.line((px[step], py[step], px[step + 1], py[step + 1]), fill=round(255 * light), width=width)

    def tail(draw: ImageDraw.ImageDraw) -> None:
        for step in range(60):
            at, sway = step / 60, 0.006 * math.sin(5 * step / 60)
            y0 = cy + (shore - cy) * at
            draw.line(((cx + sway) * H, y0 * H, cx * H, (y0 + 0.012) * H), fill=round(70 * (1 - at) ** 2), width=_FINE)

    trails, tips = _mask(lambda draw: sparks(draw, 0.0), blur=0.3), _mask(lambda draw: sparks(draw, 0.92), blur=0.5)
    halo = _mask(lambda draw: sparks(draw, 0.4), blur=7)
    canvas = canvas + trails[..., None] * outer * 0.85 + tips[..., None] * inner + halo[..., None] * outer * 0.9
    return canvas + _mask(tail, blur=0.8)[..., None] * _rgb("ffe0b0")


def _town(canvas: Canvas, rng: np.random.Generator, shore: float) -> Canvas:
    """Roofs and towers as silhouettes, with lit windows."""
    houses, left = [], -0.02
    while left < 1.52:
        width = rng.uniform(0.035, 0.09)
        tall = rng.uniform(0.03, 0.085) * (1.6 if rng.random() < 0.12 else 1.0)
        houses.append((left, shore - tall, left + width, bool(rng.random() < 0.6)))
        left += width * rng.uniform(0.85, 1.02)

    def walls(draw: ImageDraw.ImageDraw) -> None:
        for x0, top, x1, gabled in houses:
            draw.rectangle((x0 * H, top * H, x1 * H, shore * H + 2), fill=255)
            if gabled:
                peak = top - 0.32 * (x1 - x0)
                draw.polygon([(x0 * H, top * H), (x1 * H, top * H), ((x0 + x1) / 2 * H, peak * H)], fill=255)

    def windows(draw: ImageDraw.ImageDraw) -> None:
        for x0, top, x1, _ in houses:
            for wy in np.arange(top + 0.010, shore - 0.012, 0.015):
                for wx in np.arange(x0 + 0.007, x1 - 0.009, 0.0125):
                    if rng.random() < 0.36:
                        box = (wx * H, wy * H, (wx + 0.0045) * H, (wy + 0.007) * H)
                        draw.rectangle(box, fill=round(rng.uniform(110, 255)))

    canvas = _over(canvas, _rgb("0a0b16"), _mask(walls, blur=0.3))
    lights = _mask(windows, blur=0.3)
    return canvas + lights[..., None] * _rgb("ffc978") * 0.9


def _mirrored(canvas: Canvas, shore: float) -> Canvas:
    """Dark, rippled water below the shore that shows the picture above it upside down."""
    x, y = _pixels()
    below = np.maximum(y - shore, 0.0)
    depth = below + 0.012
    ripple = Noise(33).fractal((x - 0.75) / depth * 0.55, 2.2 / depth, 4) - 0.5
    rows = np.clip((shore - below * 2.1 - 0.12 * ripple * (below + 0.03)) * H, 0, shore * H - 2).astype(int)
    columns = np.clip((x + 0.06 * ripple * (below + 0.06)) * H, 0, W - 1).astype(int)
    blurred = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    soft = np.asarray(blurred.filter(ImageFilter.GaussianBlur(2.2 * _FINE)), dtype=np.float64) / 255.0
    water = soft[rows, columns] * (0.62 + 0.5 * ripple[..., None]) + _rgb("070b1a") * 0.5
    return _over(canvas, water, _smooth(-0.001, 0.001, y - shore))


def forest_fire() -> Image.Image:
    """A forest on fire at night: unpleasant and excited."""
    rng = np.random.default_rng(23)
    x, y = _pixels()
    noise = Noise(64)
    warp = noise.fractal(x * 2.2, y * 2.2 + 4, 4) - 0.5
    smoke = noise.fractal(x * 2.0 + 1.4 * warp, y * 2.4 + 1.2 * warp, 7, gain=0.55)
    lit = np.exp(-(((y - 0.70) / 0.36) ** 2)) * (0.6 + 0.4 * np.exp(-(((x - 0.80) / 0.5) ** 2)))
    canvas = _ramp(lit * (0.25 + 1.2 * smoke), [(0.0, "080607"), (0.3, "2b1512"), (0.6, "7d2f12"), (1.0, "e0772a")])
    for layer in range(4):  # walls of fire, one behind the other
        near = layer / 3
        canvas = _flames(canvas, 70 + layer, 0.70 + 0.17 * near, height=0.30 - 0.02 * layer, scale=7.0 - 4.0 * near)
    trunks, boughs = _row_of_trees(rng, near=0.9, foot=0.92)
    edge_light = _smooth(0.55, 0.75, noise.fractal(x * 30, y * 5, 4)) * np.exp(-(((y - 0.81) / 0.20) ** 2))
    wood = _ramp(0.5 * edge_light, [(0.0, "0a0607"), (0.6, "5a1e0b"), (1.0, "d5691f")])
    canvas = _over(canvas, wood, np.maximum(trunks, boughs))
    soil = noise.fractal((x - 0.75) / (np.maximum(y - 0.8, 0) + 0.1) * 2, 1.5 / (np.maximum(y - 0.8, 0) + 0.1), 6)
    embers = _ramp(_smooth(0.50, 0.80, soil), [(0.0, "060405"), (0.5, "401207"), (1.0, "d0601a")])
    canvas = _over(canvas, embers, _smooth(0.88, 0.93, y))
    canvas = _flames(canvas, 90, 0.955, height=0.12, scale=3.2)
    canvas = _sparks(canvas, rng)
    return _finish(_grade(canvas, 4, vignette=0.5))


def _flames(canvas: Canvas, seed: int, foot: float, height: float, scale: float) -> Canvas:
    """A band of fire that stands on ``foot``: hot and closed below, torn into tongues above."""
    x, y = _pixels()
    noise = Noise(seed)
    uneven = 0.20 * height * (noise.fractal(x * 3.1 + 50, y * 0, 4) - 0.5)
    up = (foot + uneven - y) / height  # 0 at the foot, 1 at the height
    sway = 0.13 * (noise.fractal(x * scale * 0.6, y * scale * 0.9 + 3, 3) - 0.5) * np.clip(up, 0, 2)
    tongues = noise.fractal((x + sway) * scale * 2.1, y * scale * 0.75 + 9, 5, gain=0.52)
    reach = 0.35 + 1.3 * noise.fractal(x * scale * 0.55, y * 0 + 5, 3)  # here it burns high, there low
    heat = np.clip(1.75 * tongues + 0.32 - 0.95 * np.maximum(up, 0) / reach, 0, 1.25) * _smooth(-0.30, 0.10, up)
    colour = _ramp(heat, [(0.35, "5a1104"), (0.55, "c63d07"), (0.78, "ff8a1c"), (0.98, "ffd65a"), (1.2, "fff6cf")])
    painted = _over(canvas, colour, _smooth(0.34, 0.72, heat)) + (0.10 * heat)[..., None] * _rgb("ff6a1a")
    return np.clip(painted, 0.0, 1.0)


def _sparks(canvas: Canvas, rng: np.random.Generator) -> Canvas:
    """Glowing bits that the hot air carries up."""
    places = [(rng.uniform(0, 1.5), 0.9 - 0.9 * rng.random() ** 1.4, rng.normal(0, 0.5)) for _ in range(420)]

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for px, py, lean in places:
            length = rng.uniform(0.002, 0.010)
            end = ((px + lean * length) * H, (py - length) * H)
            width = int(rng.integers(1, 2 + _FINE))
            draw.line((px * H, py * H, *end), fill=round(255 * rng.uniform(0.3, 1.0)), width=width)

    core, halo = _mask(paint, blur=0.3), _mask(paint, blur=3.0)
    return canvas + core[..., None] * _rgb("ffc268") + 1.4 * halo[..., None] * _rgb("ff6a1a")


def evening_meadow() -> Image.Image:
    """A flower meadow in the last light: pleasant and calm."""
    rng = np.random.default_rng(4)
    x, y = _pixels()
    sun = (0.98, 0.40)
    sky = _ramp(y, [(0.0, "4f6fa8"), (0.16, "8a97bd"), (0.30, "e3b49b"), (0.42, "ffd893"), (0.5, "fff0c2")])
    noise = Noise(31)
    veil = noise.fractal(x * 1.5, y * 7.5 + 0.4 * noise.fractal(x * 2, y * 2, 3), 6)
    lit = _ramp(y, [(0.0, "b9b6cf"), (0.2, "f0c0b0"), (0.4, "ffe2a8")])
    canvas = _over(sky, lit, 0.75 * _smooth(0.50, 0.72, veil) * _smooth(0.5, 0.2, y))
    away = np.hypot(x - sun[0], y - sun[1])
    canvas = canvas + np.exp(-away / 0.16)[..., None] * _rgb("ffc766") * 0.55
    canvas = _over(canvas, _rgb("fffbe9"), _smooth(0.042, 0.038, away))

    hills = ((0.44, 0.05, 1.2, "c39a92"), (0.485, 0.06, 1.7, "96807f"), (0.53, 0.055, 2.3, "5f6a58"))
    for index, (level, swell, scale, code) in enumerate(hills):
        ridge = level + swell * (0.5 - Noise(50 + index).fractal(x[:1] * scale + 3 * index, x[:1] * 0, 5))
        ridge = ridge + 0.005 * (index == 2) * (Noise(70).fractal(x[:1] * 60, x[:1] * 0, 3) - 0.5) * 4
        body = _over(np.broadcast_to(_rgb(code), canvas.shape), _rgb("ffdf9f"), 0.42 * np.exp(-away / 0.3))
        canvas = _over(canvas, body, _smooth(-0.0012, 0.0012, y - ridge))

    ground = _ramp(y, [(0.54, "c0a552"), (0.66, "7f8a3c"), (0.82, "4a6429"), (1.0, "22371a")])
    patches = noise.fractal(x * 5, y * 16, 5)
    ground = ground * (0.78 + 0.44 * patches[..., None])
    edge = 0.555 + 0.02 * (Noise(61).fractal(x[:1] * 1.4, x[:1] * 0, 4) - 0.5)
    canvas = _over(canvas, ground, _smooth(-0.002, 0.002, y - edge))
    sheet = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    _meadow_tree(sheet, rng)
    _grass_and_flowers(sheet, rng, sun[0])
    canvas = np.asarray(sheet, dtype=np.float64) / 255.0
    canvas = canvas + np.exp(-away / 0.34)[..., None] * _rgb("ffb659") * 0.16
    return _finish(_grade(canvas, 8, vignette=0.22, grain=0.008))


def _meadow_tree(sheet: Image.Image, rng: np.random.Generator) -> None:
    """A round tree on the left, dark inside and golden at the side of the sun."""
    draw = ImageDraw.Draw(sheet)
    foot_x, foot_y, crown_x, crown_y = 0.36 * H, 0.60 * H, 0.365 * H, 0.375 * H
    trunk = [(-9, 0), (-6, -60), (-5, -160), (5, -160), (7, -60), (11, 0)]
    draw.polygon([(foot_x + dx * 1.6, foot_y + dy) for dx, dy in trunk], fill=(47, 38, 28))
    around, out = rng.uniform(0, 2 * math.pi, 70), np.sqrt(rng.random(70))
    clumps = [
        (0.125 * far * math.cos(angle), 0.105 * far * math.sin(angle) - 0.012, rng.uniform(0.026, 0.05))
        for angle, far in zip(around, out, strict=True)
    ]
    for cx, cy, radius in sorted(clumps, key=lambda clump: clump[0]):
        for _ in range(430):
            angle, reach = rng.uniform(0, 2 * math.pi), radius * math.sqrt(rng.random())
            dx, dy = cx + reach * math.cos(angle), cy + reach * math.sin(angle)
            warm = np.clip(0.30 + 2.3 * (dx + 0.02) - 2.0 * dy + 5.0 * reach * math.cos(angle), 0, 1)
            warm = float(np.clip(warm + rng.normal(0, 0.12), 0, 1))
            colour = _ramp(np.array(warm), [(0, "1f2a16"), (0.5, "4d5a24"), (0.85, "9d8a35"), (1, "ecc15c")])
            size = rng.uniform(1.5, 4.2)
            px, py = crown_x + dx * H, crown_y + dy * H
            draw.ellipse((px - size, py - size * 0.7, px + size, py + size * 0.7), fill=_paint(colour))


def _grass_and_flowers(sheet: Image.Image, rng: np.random.Generator, sun_x: float) -> None:
    """Blades and blossoms from far to near; near ones are larger, darker and blurred by nothing."""
    draw = ImageDraw.Draw(sheet)
    petals = ("d9433a", "e8633f", "f4f0e2", "f2c84b", "b06fb5", "6c7fd0")
    drifts, kinds = Noise(90), Noise(91)
    for depth in np.sort(rng.random(15000) ** 0.75):
        px, py = rng.uniform(-0.02, 1.52) * H, (0.565 + 0.47 * depth**1.5) * H
        tall = (0.006 + 0.075 * depth**1.7) * H * rng.uniform(0.6, 1.3)
        lean = rng.normal(0.10, 0.28) * tall
        near_sun = math.exp(-abs(px / H - sun_x) / 0.4)
        warm = float(np.clip(0.72 - 0.62 * depth + 0.35 * near_sun + rng.normal(0, 0.13), 0, 1))
        colour = _ramp(np.array(warm), [(0, "1b3016"), (0.4, "48682a"), (0.75, "94993f"), (1, "e2c666")])
        width = max(1, round(1.0 + 4.2 * depth**2))
        tip = (px + lean, py - tall)
        knee = (px + lean * 0.3, py - tall * 0.6)
        draw.line((px, py, *knee), fill=_paint(colour), width=width)
        draw.line((*knee, *tip), fill=_paint(colour * 1.08), width=max(1, width - 1))
        # Kinds of flowers grow in drifts that are longer than deep.
        place = np.array(px / H * 2.2), np.array(depth * 3.0)
        if rng.random() < 0.30 * float(_smooth(0.42, 0.68, drifts.fractal(*place, 3))):
            kind = float(kinds.fractal(*place, 2)) * 1.6 - 0.3 + rng.normal(0, 0.16)
            code = petals[int(np.clip(kind * len(petals), 0, len(petals) - 1))]
            _blossom(draw, rng, tip, (0.0016 + 0.0115 * depth**1.8) * H, code)


def _blossom(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, at: tuple[float, float], size: float, code: str
) -> None:
    base, (x, y) = _rgb(code), at
    count, turn = int(rng.integers(5, 8)), rng.uniform(0, 6.28)
    for petal in range(count):
        angle = turn + 2 * math.pi * petal / count
        cx, cy = x + 0.62 * size * math.cos(angle), y + 0.42 * size * math.sin(angle)
        light = 0.80 + 0.25 * rng.random() - 0.10 * math.sin(angle)
        draw.ellipse((cx - size * 0.52, cy - size * 0.42, cx + size * 0.52, cy + size * 0.42), _paint(base * light))
    heart = _rgb("5a3d1c") if code != "f4f0e2" else _rgb("e6b52e")
    draw.ellipse((x - size * 0.3, y - size * 0.24, x + size * 0.3, y + size * 0.24), fill=_paint(heart))


def _paint(colour: NDArray) -> tuple[int, int, int]:
    red, green, blue = (round(float(np.clip(value, 0, 1)) * 255) for value in colour)
    return red, green, blue


def forest_path() -> Image.Image:
    """A path that is lost between black trees in the fog: unpleasant, quiet, uneasy."""
    rng = np.random.default_rng(15)
    x, y = _pixels()
    noise = Noise(88)
    canvas = _ramp(y, [(0.0, "5a666a"), (0.35, "76827f"), (0.56, "929c98"), (0.66, "545d58"), (1.0, "1b201d")])
    canvas = canvas * (0.90 + 0.2 * noise.fractal(x * 2, y * 3, 5)[..., None])
    canvas = _forest_floor(canvas, noise)
    layers = 8
    for layer in range(layers):
        near = layer / (layers - 1)  # 0 far, 1 near
        foot = 0.60 + 0.34 * near**1.8
        trunks, boughs = _row_of_trees(rng, near, foot)
        # Roots end in litter and moss, not in a clean line.
        edge = foot - 0.012 - 0.05 * near * noise.fractal(x * 22 + layer, y * 9, 4)
        trunks = trunks * (1.0 - _smooth(-0.012, 0.006 + 0.02 * near, y - edge))
        cover = np.maximum(trunks, boughs)
        bark = 0.75 + 0.5 * noise.fractal(x * (30 + 25 * near), y * 3, 4)
        colour = _ramp(np.array(near), [(0, "78827f"), (0.35, "465152"), (0.7, "1e2526"), (1, "0a0e0f")])
        canvas = _over(canvas, colour * bark[..., None], cover)
        mist = noise.fractal(x * 1.6 + 7 * layer, y * 5 + 3 * layer, 5)
        low = np.exp(-(((y - foot + 0.02) / 0.10) ** 2))
        canvas = _over(canvas, _rgb("8b9694"), (1 - near) * 0.42 * low * _smooth(0.3, 0.75, mist))
    return _finish(_grade(canvas, 5, vignette=0.62))


def _forest_floor(canvas: Canvas, noise: Noise) -> Canvas:
    """Leaf litter in perspective and a pale path that bends away."""
    x, y = _pixels()
    depth = np.maximum(y - 0.56, 0.0) + 0.012
    litter = noise.fractal((x - 0.75) / depth * 1.3, 1.1 / depth, 7, gain=0.7)
    floor = _ramp(litter, [(0.2, "0f1411"), (0.5, "2b2f27"), (0.8, "5a5643")])
    canvas = _over(canvas, floor, 0.92 * _smooth(0.60, 0.74, y))
    along = np.clip((y - 0.585) / 0.415, 0, 1)
    middle = 0.755 + 0.16 * np.sin(3.6 * (1 - along) ** 1.3) * (1 - along) ** 0.6 - 0.04 * along
    width = 0.012 + 0.30 * along**1.55 + 0.02 * (noise.fractal(x * 9, y * 24, 4) - 0.5)
    ribbon = _smooth(1.0, 0.62, np.abs(x - middle) / width) * _smooth(0.585, 0.60, y)
    pale = _ramp(along, [(0, "9aa39d"), (0.3, "7c7f72"), (1, "3d3b31")]) * (0.7 + 0.6 * litter[..., None])
    return _over(canvas, pale, 0.85 * ribbon)


def _row_of_trees(rng: np.random.Generator, near: float, foot: float) -> tuple[NDArray, NDArray]:
    """Trunks and boughs of one row across the picture, as cover values; the middle, where the path runs, is open."""
    outlines: list[list[tuple[float, float]]] = []
    buds: list[tuple[float, float, float, float]] = []  # x, y, trunk width, half width here
    count = round(30 - 25 * near)
    for place in np.linspace(-0.04, 1.54, count) + rng.normal(0, 0.028, count):
        if abs(place - 0.76) < 0.05 + 0.30 * near:
            continue
        thick = (0.010 + 0.078 * near**1.7) * H * rng.uniform(0.6, 1.25)
        spine = _spine(rng, place * H, (foot + rng.normal(0, 0.008)) * H, thick)
        left = [(x - half, y) for x, y, half in spine]
        right = [(x + half, y) for x, y, half in reversed(spine)]
        outlines.append(left + right)
        buds += [(x, y, thick, half) for x, y, half in spine[12::3] if rng.random() < 0.62]

    def paint_trunks(draw: ImageDraw.ImageDraw) -> None:
        for outline in outlines:
            draw.polygon(outline, fill=255)

    def paint_boughs(draw: ImageDraw.ImageDraw) -> None:
        for x, y, thick, half in buds:
            angle = math.pi / 2 - rng.choice((-1, 1)) * rng.uniform(0.7, 1.45)
            _branch(draw, rng, (x, y), angle, thick * rng.uniform(1.4, 3.2), half * 0.42, droop=1.0)

    blur = 1.4 * (1 - near)  # fog softens what is far
    return _mask(paint_trunks, blur), _mask(paint_boughs, blur)


def _spine(rng: np.random.Generator, x: float, foot: float, thick: float) -> list[tuple[float, float, float]]:
    """A trunk from its foot to beyond the top of the picture: middle x, y and half its width, in px."""
    lean, sway, spine = rng.normal(0, 0.03), rng.uniform(0, 6.28), []
    for up in np.linspace(0.0, 1.0, 41):
        middle = x + lean * up * H + thick * 0.22 * math.sin(3.1 * up + sway)
        flare = 1.0 + 0.95 * math.exp(-up * 26)
        half = thick * 0.5 * (1 - 0.42 * up) * flare * (1 + rng.normal(0, 0.035))
        spine.append((middle, foot * (1 - up) - 40 * up, half))
    return spine


def prison_cell() -> Image.Image:
    """A cell behind bars, with one small window: unpleasant and calm."""
    x, y = _pixels()
    noise = Noise(77)
    grain = noise.fractal(x * 9, y * 9, 6)
    canvas = _over(_stone_wall(noise, grain), _cell_floor(noise), _smooth(0.738, 0.746, y))
    canvas = _cell_window(canvas, noise)
    bench = _smooth(0.002, -0.002, np.abs(y - 0.665) - 0.018) * _smooth(0.94, 0.945, x)
    canvas = _over(canvas, (0.10 + 0.08 * grain)[..., None] * _rgb("b9a890"), bench)
    rust = noise.fractal(x * 14, y * 5, 5)
    for upright in range(9):
        canvas = _iron_bar(canvas, (x + 0.02 - 0.183 * upright) / 0.021, rust)
    for level in (0.335, 0.80):
        canvas = _iron_bar(canvas, (y - level) / 0.026, rust)
    return _finish(_grade(np.clip(canvas, 0, 1), 7, vignette=0.5, grain=0.016))


_WINDOW = (0.62, 0.20, 0.10, 0.08)  # its middle, and half its width and height
_COLD = "c8d2d8"


def _stone_wall(noise: Noise, grain: NDArray) -> Canvas:
    """Courses of stone with dark joints, lit from the window."""
    x, y = _pixels()
    course = np.floor(y / 0.085)
    across, down = x / 0.19 + 0.5 * (course % 2), y / 0.085
    to_joint = np.minimum(np.minimum(across % 1, 1 - across % 1) * 0.19, np.minimum(down % 1, 1 - down % 1) * 0.085)
    stone = noise(np.floor(across) * 3.7 + 0.5, course * 5.3 + 0.5)
    wall = (0.20 + 0.10 * stone + 0.22 * (grain - 0.5)) * (0.45 + 0.55 * _smooth(0.0, 0.006, to_joint))
    light = np.exp(-np.hypot((x - _WINDOW[0]) / 0.55, (y - _WINDOW[1]) / 0.42))
    return (1.6 * wall * (0.25 + 1.7 * light))[..., None] * _rgb(_COLD)


def _cell_floor(noise: Noise) -> Canvas:
    """Worn slabs, with the patch of light that falls through the window."""
    x, y = _pixels()
    depth = np.maximum(y - 0.74, 0) + 0.03
    slab = noise.fractal((x - 0.7) / depth * 0.6, 0.5 / depth, 6)
    patch = _smooth(0.20, 0.15, np.abs(x - 0.74 - 0.55 * (y - 0.74)))
    patch = patch * _smooth(0.79, 0.81, y) * _smooth(0.93, 0.90, y)
    return ((0.05 + 0.16 * slab) * (0.6 + 2.6 * patch))[..., None] * _rgb(_COLD)


def _cell_window(canvas: Canvas, noise: Noise) -> Canvas:
    """A barred window with a pale sky, its glow on the wall, and the beam below it."""
    x, y = _pixels()
    cx, cy, half_x, half_y = _WINDOW
    dx, dy = np.abs(x - cx), np.abs(y - cy)
    opening = _smooth(half_x + 0.005, half_x, dx) * _smooth(half_y + 0.005, half_y, dy)
    canvas = _over(canvas, _ramp(noise.fractal(x * 3, y * 5, 5), [(0.2, "aab6be"), (0.7, "eef2f3")]), opening)
    glow = np.exp(-np.hypot(np.maximum(dx - half_x, 0), np.maximum(dy - half_y, 0)) / 0.06) * (1 - opening)
    canvas = canvas + 0.3 * glow[..., None] * _rgb("8c9aa4")
    for bar in range(4):
        canvas = _over(canvas, _rgb("15181a"), opening * _smooth(0.009, 0.007, np.abs(x - 0.5555 - 0.043 * bar)))
    below = y - cy
    beam = _smooth(0.13 + 0.105 * below, 0.05, np.abs(x - cx - 0.42 * below)) * _smooth(0.0, 0.1, below)
    beam = beam * _smooth(0.75, 0.3, below) * (0.6 + 0.8 * noise.fractal(x * 2, y * 2, 4))
    return canvas + 0.10 * beam[..., None] * _rgb("c5d3dc")


def _iron_bar(canvas: Canvas, across: NDArray, rust: NDArray) -> Canvas:
    """A round bar in front of everything; ``across`` is -1 at one edge of it and 1 at the other."""
    metal = 0.03 + 0.18 * np.exp(-(((across + 0.3) / 0.3) ** 2)) + 0.05 * (rust - 0.5)
    return _over(canvas, metal[..., None] * _rgb("c2c6c8"), _smooth(1.0, 0.93, np.abs(across)))


SCENES: dict[str, Callable[[], Image.Image]] = {
    "fireworks": fireworks,
    "forest_fire": forest_fire,
    "evening_meadow": evening_meadow,
    "forest_path": forest_path,
    "prison_cell": prison_cell,
}


def save(picture: Image.Image, path: Path) -> int:
    """Write a JPEG that is smaller than ``MAX_BYTES``, at the best quality that allows it; returns its size."""
    for quality in range(JPEG_QUALITY, 50, -3):
        picture.save(path, quality=quality, optimize=True)
        if path.stat().st_size < MAX_BYTES:
            break
    return path.stat().st_size
