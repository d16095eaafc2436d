"""Draw the four example pictures of the app that no free photo covers: two dark places, a storm, a warm evening.

    python -m train.draw_examples --out assets/examples

Everything is computed from noise, light and a seed, at twice the final size, so the pictures belong to the
project. Conventions: a canvas is (H, W, 3) float64, linear 0..1 in display colour; y points down; depth z grows away
from the eye.

References: value noise and its fractal sum after Perlin (1985); trees by recursive branching; the sea is a height
field painted from near to far.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["SCENES", "main"]

Canvas = NDArray[np.float64]
Colour = tuple[float, float, float]

WIDTH, HEIGHT = 900, 600  # px of the finished pictures
_FINE = 2  # drawn larger by this factor, then averaged
W, H = WIDTH * _FINE, HEIGHT * _FINE
JPEG_QUALITY = 85


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


def _smooth(low: float, high: float, x: NDArray) -> NDArray:
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


# --- the four scenes


def storm_sea() -> Image.Image:
    """A heavy sea under a thunderstorm: unpleasant and excited."""
    horizon = 0.46
    canvas, bolt = _storm_sky(horizon)
    canvas = _waves(canvas, horizon, bolt)
    x, y = _pixels()
    spray = Noise(9).fractal(x * 3, y * 7, 5)
    canvas = _over(canvas, _rgb("9fb0b4"), 0.32 * _smooth(0.08, 0.0, np.abs(y - horizon)) * spray)
    return _finish(_grade(canvas, 3, vignette=0.45))


def _storm_sky(horizon: float) -> tuple[Canvas, tuple[float, float]]:
    x, y = _pixels()
    depth = np.maximum(horizon - y, 0.0) + 0.055
    u, v = (x - 0.75) / depth * 0.42, 0.30 / depth
    noise = Noise(21)
    warp = noise.fractal(u + 5.2, v + 1.3, 4) - 0.5
    density = noise.fractal(u + 1.9 * warp, v * 1.3 + 1.1 * warp, 7, gain=0.56)
    bellies = noise.fractal(u * 2.1 - warp, v * 2.6, 5)
    tone = 0.55 * _smooth(0.25, 0.75, density) + 0.45 * _smooth(0.2, 0.8, bellies)
    canvas = _ramp(tone, [(0.0, "0d1218"), (0.4, "252d37"), (0.7, "485460"), (1.0, "8c979c")])
    glow = _smooth(0.30, 0.0, np.abs(y - horizon)) * np.exp(-(((x - 1.02) / 0.42) ** 2))
    canvas = _over(canvas, _rgb("b3b49c"), 0.62 * glow * (0.4 + 0.6 * tone))

    path = _bolt_path(np.random.default_rng(12), (1.06, 0.10), (0.98, horizon))
    core = _mask(lambda draw: _draw_bolt(draw, path), blur=0.5)
    halo = _mask(lambda draw: _draw_bolt(draw, path, wide=6), blur=14)
    lit = np.exp(-np.hypot(x - 1.05, (y - 0.14) * 1.3) / 0.22)
    canvas = canvas + lit[..., None] * (0.30 + 0.75 * tone[..., None]) * _rgb("a9b4d8") * 0.85
    canvas = canvas + 0.9 * halo[..., None] * _rgb("93a0d8") + core[..., None] * _rgb("f4f2ff")
    return canvas, (0.98, horizon)


Segment = tuple[float, float, float, float, float]  # x0, y0, x1, y1, strength


def _bolt_path(rng: np.random.Generator, start: tuple[float, float], end: tuple[float, float]) -> list[Segment]:
    """Lightning: the middle of a line moves sideways, again and again; some halves throw a branch."""

    def split(a: NDArray, b: NDArray, strength: float, level: int) -> list[Segment]:
        if level == 0:
            return [(a[0], a[1], b[0], b[1], strength)]
        along = b - a
        middle = (a + b) / 2 + np.array([-along[1], along[0]]) * rng.normal(0.0, 0.13)
        found = split(a, middle, strength, level - 1) + split(middle, b, strength, level - 1)
        if strength > 0.3 and rng.random() < 0.33:
            turn = rng.choice((-1, 1)) * rng.uniform(0.3, 0.8)
            spin = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
            found += split(middle, middle + spin @ along * rng.uniform(0.4, 0.75), strength * 0.45, level - 1)
        return found

    return split(np.array(start), np.array(end), 1.0, 6)


def _draw_bolt(draw: ImageDraw.ImageDraw, path: list[Segment], wide: float = 1.0) -> None:
    for x0, y0, x1, y1, strength in path:
        width = max(1, round(4.2 * strength * wide))
        draw.line((x0 * H, y0 * H, x1 * H, y1 * H), fill=round(255 * min(1.0, 0.35 + strength)), width=width)


def _waves(canvas: Canvas, horizon: float, bolt: tuple[float, float]) -> Canvas:
    """A rough sea from the eye to the horizon, painted front to back over the lower part of ``canvas``."""
    eye, focal = 3.4, 1.15  # metres above the mean water; focal length in picture heights
    z = 1.0 / np.linspace(1 / 3.4, 1 / 600.0, 1500)  # (Z,), about one row of the picture per step
    columns = (np.arange(W) / H - 0.75) / focal  # (W,)
    wx, wz = columns[None, :] * z[:, None], np.broadcast_to(z[:, None], (z.size, W))
    water = _sea_height(wx, wz)  # (Z, W)
    slope_z = np.gradient(water, z, axis=0)
    slope_x = np.gradient(water, axis=1) / np.gradient(wx, axis=1)
    steep = np.sqrt(slope_x**2 + slope_z**2)

    facing = np.clip((eye - water) / z[:, None] - 1.1 * slope_z, 0.02, 1.0)
    mirror = (1.0 - facing) ** 4
    noise = Noise(5)
    crest = _smooth(-0.5, 1.9, water)
    colour = _ramp(crest, [(0.0, "060d13"), (0.4, "10242d"), (0.75, "274a50"), (1.0, "5f8482")])
    colour = _over(colour, _rgb("5b6872"), 0.62 * mirror)
    shine = np.exp(-(((columns * focal + 0.75 - bolt[0]) / 0.13) ** 2)) * _smooth(0.15, 0.8, steep)
    colour = colour + (0.5 * shine * (0.15 + mirror))[..., None] * _rgb("aab6dc")
    lace = noise.fractal(wx * 1.9, wz * 1.1, 6, gain=0.68)
    foam = _smooth(1.05, 2.1, water + 2.4 * (lace - 0.45)) * _smooth(0.40, 0.58, lace)
    streaks = _smooth(0.54, 0.70, noise.fractal(wx * 0.55 + 40, wz * 0.2, 5)) * _smooth(0.45, 0.68, lace)
    colour = _over(colour, _rgb("d3dddd"), np.clip(0.9 * foam + 0.30 * streaks, 0, 1))
    haze = 1.0 - np.exp(-z / 170.0)
    colour = _over(colour, _rgb("6f7c82"), np.broadcast_to(0.75 * haze[:, None], water.shape))

    top = horizon + focal * (eye - water) / z[:, None]  # (Z, W) picture heights
    top_rows = np.clip(np.round(top * H), 0, H).astype(int)
    front = np.full(W, H)  # rows from here down are already painted
    out = canvas.copy()
    rows = np.arange(H)[:, None]
    for index in range(z.size):
        reach = top_rows[index]
        first = int(reach.min())
        new = (rows[first:] >= reach) & (rows[first:] < front)
        out[first:][new] = np.broadcast_to(colour[index], (H - first, W, 3))[new]
        front = np.minimum(front, reach)
    return out


def _sea_height(x: NDArray, z: NDArray) -> NDArray:
    """Many trains of waves with sharp crests and broad troughs, in metres, nearly all running towards the eye."""
    rng, noise = np.random.default_rng(40), Noise(77)
    bend = noise.fractal(x * 0.06, z * 0.06, 4) - 0.5
    height = np.zeros_like(x)
    for number in np.geomspace(0.11, 4.5, 15):  # radians per metre
        turn = rng.normal(0.0, 0.42)
        phase = number * (x * math.sin(turn) + z * math.cos(turn)) + 6.0 * bend + rng.uniform(0, 6.28)
        height += 0.30 / number**0.78 * (np.exp(1.5 * (np.sin(phase) - 1.0)) - 0.36)
    # Waves come in groups: here the sea heaps up, there it lies almost flat.
    groups = 0.45 + 1.1 * noise.fractal(x * 0.035 + 30, z * 0.07, 3)
    return height * groups


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
        cover = _mask(lambda draw, near=near, foot=foot: _trunks(draw, rng, near, foot), blur=1.4 * (1 - near))  # type: ignore[misc]
        # Roots end in litter and moss, not in a clean line.
        edge = foot - 0.012 - 0.05 * near * noise.fractal(x * 22 + layer, y * 9, 4)
        cover = cover * (1.0 - 0.97 * _smooth(-0.012, 0.006 + 0.02 * near, y - edge) * (y < foot + 0.06))
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


def _trunks(draw: ImageDraw.ImageDraw, rng: np.random.Generator, near: float, foot: float) -> None:
    """One row of trees across the picture; the middle, where the path runs, stays open."""
    count = round(30 - 25 * near)
    for place in np.linspace(-0.04, 1.54, count) + rng.normal(0, 0.028, count):
        open_half = 0.05 + 0.30 * near
        if abs(place - 0.76) < open_half:
            continue
        thick = (0.010 + 0.078 * near**1.7) * H * rng.uniform(0.6, 1.25)
        x, base = place * H, (foot + rng.normal(0, 0.008)) * H
        lean, points = rng.normal(0, 0.03), []
        sway = rng.uniform(0, 6.28)
        for step in range(41):
            up = step / 40
            middle = x + lean * up * H + thick * 0.22 * math.sin(3.1 * up + sway)
            flare = 1.0 + 0.95 * math.exp(-up * 26)
            half = thick * 0.5 * (1 - 0.42 * up) * flare * (1 + rng.normal(0, 0.035))
            points.append((middle, base * (1 - up) - 40 * up, half))
        left = [(px - half, py) for px, py, half in points]
        right = [(px + half, py) for px, py, half in reversed(points)]
        draw.polygon(left + right, fill=255)
        for px, py, half in points[12::3]:
            if rng.random() < 0.62:
                side = rng.choice((-1, 1))
                angle = math.pi / 2 - side * rng.uniform(0.7, 1.45)
                _branch(draw, rng, (px, py), angle, thick * rng.uniform(1.4, 3.2), half * 0.42, droop=1.0)


def winter_tree() -> Image.Image:
    """One bare tree on a snowy hill under a gray sky: unpleasant and very calm."""
    rng = np.random.default_rng(29)
    x, y = _pixels()
    noise = Noise(101)
    canvas = _ramp(y, [(0.0, "8b95a0"), (0.4, "a9b1b8"), (0.72, "c6cacc")])
    cloud = noise.fractal(x * 1.1, y * 3.0, 6)
    canvas = canvas * (0.86 + 0.26 * cloud[..., None])
    woods = 0.735 + 0.016 * (0.5 - Noise(6).fractal(x[:1] * 45, x[:1] * 0, 3)) + 0.02 * (x[:1] - 0.7)
    canvas = _over(canvas, _rgb("939ca4"), 0.75 * _smooth(-0.004, 0.004, y - woods))

    hill = 0.755 + 0.10 * ((x - 0.95) / 0.9) ** 2 + 0.012 * (noise.fractal(x * 2.2, y * 0, 4) - 0.5)
    drift = noise.fractal(x * 2.4 + y, (y - hill) * 12, 6)
    slope = np.clip((y - hill) / 0.25, 0, 1)
    snow = _ramp(slope, [(0, "dfe3e6"), (0.5, "c9d0d6"), (1, "a3adb8")]) * (0.91 + 0.16 * drift[..., None])
    canvas = _over(canvas, snow, _smooth(-0.0015, 0.0015, y - hill))

    def tree(draw: ImageDraw.ImageDraw) -> None:
        _branch(draw, rng, (0.95 * H, 0.775 * H), math.pi / 2 + 0.05, 0.165 * H, 0.036 * H)

    canvas = _over(canvas, _rgb("23262a"), _mask(tree, blur=0.3))
    foot = np.exp(-(((x - 0.95) / 0.06) ** 2) - (((y - 0.783) / 0.010) ** 2))
    canvas = _over(canvas, _rgb("8d97a1"), 0.7 * foot)
    for distance, count in ((0.35, 900), (0.7, 420), (1.4, 110)):
        spots = rng.random((count, 2)) * (W, H)

        def flakes(draw: ImageDraw.ImageDraw, spots: NDArray = spots, distance: float = distance) -> None:
            for px, py in spots:
                size = 1.6 * distance * _FINE * rng.uniform(0.6, 1.2)
                draw.ellipse((px - size, py - size, px + size, py + size), fill=255)

        canvas = _over(canvas, _rgb("f3f5f6"), 0.8 * _mask(flakes, blur=0.5 + 0.6 * distance))
    return _finish(_grade(canvas, 2, vignette=0.30, grain=0.010))


SCENES: dict[str, Callable[[], Image.Image]] = {
    "storm_sea": storm_sea,
    "evening_meadow": evening_meadow,
    "forest_path": forest_path,
    "winter_tree": winter_tree,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("assets/examples"), help="folder for the JPEG files")
    parser.add_argument("--only", choices=SCENES, help="draw one scene")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        if arguments.only in (None, name):
            path = arguments.out / f"{name}.jpg"
            scene().save(path, quality=JPEG_QUALITY, optimize=True)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
