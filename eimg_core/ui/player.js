// The player. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`, after deck.js; player.py says
// what the value holds.

const TELL = {
  polyphony_rate: ["Polyphony rate", "share of the time with more than two notes sounding"],
  pitch_entropy: ["Pitch entropy", "variety of the pitches, in bits"],
  groove_consistency: ["Groove consistency", "steadiness of the rhythm, up to 1"],
};
const FILES = { mid: "MIDI", wav: "WAV", png: "Picture", json: "Details" };

const find = (selector) => element.querySelector(selector);
const root = find(".player"), loop = find(".player-loop");
const deck = createDeck(root);
let take = null; // the value that is on show, when it is a take

function showTake(value) {
  take = value;
  deck.load(value);
  loop.disabled = !deck.canPlay();
  const feeling = value.target.region;
  find(".player-done h3").textContent = `${/^[aeiou]/.test(feeling) ? "An" : "A"} ${feeling} piece`;
  find(".player-facts").textContent = [
    `${value.duration_s.toFixed(0)} s`, `${value.tempo_bpm.toFixed(0)} bpm`, `${value.notes.length} notes`,
    `seed ${value.seed}`, value.pairing_title,
  ].join("  ·  ");
  find(".player-files").replaceChildren(...fileLinks(value.files, FILES));
  showNumbers(value);
}

function showNumbers(value) {
  const at = (point) => `valence ${point.valence.toFixed(1)}, arousal ${point.arousal.toFixed(1)}`;
  find(".player-landing").textContent = value.piece
    ? `Our evaluator hears this piece as ${value.piece.region} (${at(value.piece)}), ${value.distance.toFixed(1)} from the target.`
    : `The target was ${value.target.region} (${at(value.target)}).`;
  find(".player-metrics").replaceChildren(...Object.entries(value.metrics).flatMap(([key, number]) => {
    const [name, meaning] = TELL[key] || [key.replaceAll("_", " "), ""];
    const term = document.createElement("dt"), detail = document.createElement("dd"), small = document.createElement("small");
    const group = document.createElement("div");
    term.textContent = name;
    detail.textContent = number === null ? "–" : number.toFixed(2);
    small.textContent = meaning;
    group.append(term, detail, small);
    return group;
  }));
  find(".player-remarks").replaceChildren(...value.remarks.map((remark) => {
    const item = document.createElement("li");
    item.textContent = remark;
    return item;
  }));
  find(".player-played").textContent = value.engine ? `Played by ${value.engine} with ${value.soundfont}.` : "";
}

function showWork(value) {
  const now = props.stages.indexOf(value.stage);
  if (now >= 0) root.dataset.stage = now;
  const reached = Number(root.dataset.stage);
  find(".player-stages").querySelectorAll("li").forEach((item, n) => {
    item.classList.toggle("past", n < reached);
    item.classList.toggle("now", n === reached);
  });
  const percent = Math.round(100 * (value.done || 0));
  find(".player-bar").style.setProperty("--left", `${100 - percent}%`);
  find(".player-bar").setAttribute("aria-valuenow", percent);
  const live = find(".player-stage");
  if (live.textContent !== value.stage) live.textContent = value.stage;
}

function show() {
  const value = props.value || {}, state = value.state || "empty", before = root.dataset.state;
  root.dataset.state = state;
  if (state !== "done") deck.audio.pause();
  if (state === "working") {
    if (before !== "working") root.dataset.stage = -1; // waiting for its turn
    showWork(value);
  }
  if (state === "failed") find(".player-failed p").textContent = value.message;
  if (state === "done") showTake(value);
  if (state === "working" && before !== "working")
    root.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
}

find(".player-stages").replaceChildren(...props.stages.map((name) => {
  const item = document.createElement("li");
  item.textContent = name[0].toUpperCase() + name.slice(1);
  return item;
}));
find(".player-stop").addEventListener("click", () => {
  props.value = take || {};
  show();
  trigger("stop");
});
loop.addEventListener("click", () => {
  deck.audio.loop = !deck.audio.loop;
  loop.setAttribute("aria-pressed", deck.audio.loop);
});

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (event.code !== "Space" || root.dataset.state !== "done" || !root.offsetParent || usesSpace(event)) return;
  event.preventDefault();
  deck.toggle();
}
document.addEventListener("keydown", onKey);

watch("value", show);
show();
