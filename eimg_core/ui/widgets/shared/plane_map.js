// The map of the emotion plane, for every widget that draws one (plane_map.html is its ground). The plot is a square
// of 320 units whose lower left corner is (valence 1, arousal 1).

const LEFT = 30, TOP = 8, SIDE = 320, LOW = 1, HIGH = 9, MIDDLE = 5;
const UNIT = SIDE / (HIGH - LOW);

const clamp = (number) => Math.min(HIGH, Math.max(LOW, number));
const toX = (valence) => LEFT + (clamp(valence) - LOW) * UNIT;
const toY = (arousal) => TOP + (HIGH - clamp(arousal)) * UNIT;
const toPoint = (x, y) => ({ valence: clamp(LOW + (x - LEFT) / UNIT), arousal: clamp(HIGH - (y - TOP) / UNIT) });

function svg(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Moves places that are nearer than `apart` away from each other, and keeps them `margin` inside the plot.
function keepApart(places, apart, margin) {
  const inside = (number, from) => Math.min(from + SIDE - margin, Math.max(from + margin, number));
  for (let round = 0; round < 60; round++)
    places.forEach((one, n) => {
      for (const other of places.slice(n + 1)) {
        let dx = other.x - one.x, dy = other.y - one.y, gap = Math.hypot(dx, dy);
        if (gap >= apart) continue;
        if (gap < 0.1) [dx, dy, gap] = [Math.cos(n), Math.sin(n), 1];
        const push = (apart - Math.min(gap, apart)) / 2 / gap + 0.01;
        for (const [place, way] of [[one, -1], [other, 1]]) {
          place.x = inside(place.x + way * dx * push, LEFT);
          place.y = inside(place.y + way * dy * push, TOP);
        }
      }
    });
}

// `map` is the svg element; `regions` are pairs of name and direction in degrees.
function createMap(map, regions, neutralRadius) {
  const find = (selector) => map.querySelector(selector);

  function region({ valence, arousal }) {
    const dx = valence - MIDDLE, dy = arousal - MIDDLE;
    if (Math.hypot(dx, dy) < neutralRadius) return "neutral";
    const angle = (Math.atan2(dy, dx) * 180) / Math.PI;
    const turn = (direction) => Math.abs(((angle - direction + 540) % 360) - 180);
    return regions.reduce((best, next) => (turn(next[1]) < turn(best[1]) ? next : best))[0];
  }

  function place(selector, point) {
    const mark = find(selector);
    mark.style.visibility = point ? "visible" : "hidden";
    if (point) mark.style.transform = `translate(${toX(point.valence)}px, ${toY(point.arousal)}px)`;
  }

  // The photo's point with one standard deviation around it, where that is known.
  function placePhoto(photo) {
    place(".mark-photo", photo);
    place(".plane-doubt", photo && photo.sd_valence ? photo : null);
    find(".plane-doubt").setAttribute("rx", ((photo && photo.sd_valence) || 0) * UNIT);
    find(".plane-doubt").setAttribute("ry", ((photo && photo.sd_arousal) || 0) * UNIT);
  }

  function link(from, to) {
    const line = from && to;
    const path = line ? `M${toX(from.valence)} ${toY(from.arousal)}L${toX(to.valence)} ${toY(to.arousal)}` : "";
    find(".plane-link").setAttribute("d", path);
  }

  find(".plane-grid").setAttribute(
    "d",
    [2, 3, 4, 6, 7, 8].map((step) => `M${toX(step)} ${TOP}v${SIDE}M${LEFT} ${toY(step)}h${SIDE}`).join("")
  );
  find(".plane-words").replaceChildren(...regions.map(([name, direction]) => {
    const angle = (direction * Math.PI) / 180;
    const word = svg("text", { x: toX(MIDDLE + 3 * Math.cos(angle)), y: toY(MIDDLE + 3 * Math.sin(angle)) + 4 });
    tell(word, message(name));
    return word;
  }));
  return { region, place, placePhoto, link };
}

// A point in words: its numbers, and with the name of its region.
const numbersOf = ({ valence, arousal }) =>
  message("valence {valence}, arousal {arousal}", { valence: valence.toFixed(1), arousal: arousal.toFixed(1) });
const where = (point, region) =>
  message("valence {valence}, arousal {arousal}, {region}", { ...numbersOf(point).values, region: message(region(point)) });
