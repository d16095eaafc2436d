// A roll the size of a stamp, for lists: no keys, no time, only the shape of the music.

const TINY = { width: 120, height: 36, notes: 90 };

// Notes [start, end, pitch, …] as whole numbers [x, y, length] in a box of TINY's size; at most TINY.notes of them.
function tinyNotes(notes, duration) {
  const pitches = notes.map((note) => note[2]);
  const low = Math.min(...pitches), range = Math.max(12, Math.max(...pitches) - low);
  const every = Math.max(1, Math.ceil(notes.length / TINY.notes));
  return notes.filter((_, n) => n % every === 0).map(([start, end, pitch]) => [
    Math.round((start / duration) * TINY.width),
    Math.round((1 - (pitch - low) / range) * (TINY.height - 3)) + 1,
    Math.max(1, Math.round(((end - start) / duration) * TINY.width)),
  ]);
}

function tinyRoll(small) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", `0 0 ${TINY.width} ${TINY.height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "tiny-roll");
  path.setAttribute("d", small.map(([x, y, length]) => `M${x} ${y}h${length}`).join(""));
  svg.append(path);
  return svg;
}
