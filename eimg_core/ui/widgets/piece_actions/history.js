// What was made in this browser: settings, a tiny roll and where the piece lies, in the browser's own storage. Never a
// photo. What is read back may be anything (other versions, other hands), so every entry is checked and rebuilt.

const STORE = "eimg-studio-history", MOST_ENTRIES = 30;

const isNumber = (value, low, high) => typeof value === "number" && value >= low && value <= high;
const asPoint = (value) =>
  value && isNumber(value.valence, 1, 9) && isNumber(value.arousal, 1, 9) ? { valence: value.valence, arousal: value.arousal } : null;
const isSmallNote = (note) => Array.isArray(note) && note.length === 3 && note.every((n) => isNumber(n, -10, 400));

function checkedEntry(entry) {
  if (!entry || typeof entry !== "object" || typeof entry.id !== "string") return null;
  const { recipe, target } = entry, aim = asPoint(target);
  if (!aim || !recipe || typeof recipe.pairing !== "string" || !Array.isArray(recipe.steps)) return null;
  if (!isNumber(recipe.seed, 0, 2 ** 31) || !isNumber(recipe.seconds, 1, 600) || !isNumber(entry.made, 0, 1e15)) return null;
  const text = (value) => String(value || "").slice(0, 80);
  return {
    id: text(entry.id), made: entry.made, star: entry.star === true, region: text(entry.region), title: text(entry.title),
    target: aim, piece: asPoint(entry.piece), duration: isNumber(entry.duration, 0, 600) ? entry.duration : 0,
    roll: Array.isArray(entry.roll) ? entry.roll.filter(isSmallNote).slice(0, 200) : [],
    recipe: { ...recipe, photo_id: recipe.photo_id ?? recipe.photo ?? null }, // versions before 0.2 called it photo
  };
}

// The entries, the oldest first, with `add`, `change` and `remove`; all of them store at once.
function createHistory() {
  let entries = [];
  try {
    const found = JSON.parse(localStorage.getItem(STORE) || "[]");
    if (Array.isArray(found)) entries = found.map(checkedEntry).filter(Boolean).slice(-MOST_ENTRIES);
  } catch {} // damaged, or the browser keeps nothing: begin anew

  function store() {
    while (entries.length > MOST_ENTRIES) {
      const plain = entries.findIndex((entry) => !entry.star); // favourites stay longest
      entries.splice(Math.max(plain, 0), 1);
    }
    try {
      localStorage.setItem(STORE, JSON.stringify(entries));
    } catch {} // full, or forbidden: the list then lasts as long as the page
  }

  return {
    all: () => entries,
    find: (id) => entries.find((entry) => entry.id === id),
    add: (entry) => (entries.push(entry), store()),
    change: (id, details) => (Object.assign(entries.find((entry) => entry.id === id), details), store()),
    remove: (id) => ((entries = entries.filter((entry) => entry.id !== id)), store()),
    star: (id) => (entries.filter((entry) => entry.id === id).forEach((entry) => (entry.star = !entry.star)), store()),
  };
}

// The same piece has the same key, whatever order its settings are written in.
const recipeKey = (recipe) =>
  JSON.stringify(recipe, (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, value[key]]))
      : value
  );

// The same for all takes of a piece.
const anyTakeKey = ({ steps, ...recipe }) =>
  recipeKey(steps.length ? { ...recipe, steps: [...steps.slice(0, -1), { ...steps.at(-1), keep: null }] } : { ...recipe, steps, keep: null });
