// The player. gr.HTML runs this once with `element`, `props`, `trigger`, `server` and `watch`, after transport.js and sheet.js;
// player.py says what the value holds.

const LETTERS = { l: ".player-loop", a: ".player-a", b: ".player-b", m: ".player-mute" };

const find = (selector) => element.querySelector(selector);
const root = find(".player"), loop = find(".player-loop");
const transport = createTransport(root, { words: true, slowest: 34 });
const sheet = createSheet(find(".player-sheet"), transport, (name, width) => server.sheet_music({ take: name, width }));
let take = null; // the value that is on show, when it is a take

function make(tag, text, attributes = {}) {
  const node = Object.assign(document.createElement(tag), attributes);
  node.textContent = text;
  return node;
}
const say = (words) => (find(".player-say").textContent = words);

// ---- a take ----

function showTake(value) {
  take = value;
  transport.load(value);
  root.classList.toggle("pending", Boolean(value.pending));
  for (const control of root.querySelectorAll(".player-looping button")) control.disabled = !transport.canPlay();
  const feeling = value.target.region;
  find(".player-done h3").textContent = `${/^[aeiou]/.test(feeling) ? "An" : "A"} ${feeling} piece`;
  find(".player-facts").textContent = [
    `${value.duration_s.toFixed(0)} s`, value.key, `${value.tempo_bpm.toFixed(0)} bpm`, `${value.notes.length} notes`,
    `seed ${value.seed}`, value.pairing_title,
  ].filter(Boolean).join("  ·  ");
  say(value.pending ? "The piano is being recorded …" : "");
  showFiles(value);
  showNumbers(value);
  if (root.dataset.view === "score") sheet.show(value);
}

function showFiles(value) {
  const made = value.files || {}, demand = value.exports || [];
  const shown = props.formats.filter(([kind, , , packs]) => made[kind] || demand.includes(kind) || (value.pending && !packs));
  find(".player-files").replaceChildren(...shown.map(([kind, label, meaning]) => {
    if (made[kind]) {
      const file = made[kind];
      return make("a", label, { href: file.url, download: file.orig_name, title: `${meaning}: ${file.orig_name}` });
    }
    const button = make("button", label, { type: "button", title: meaning, disabled: Boolean(value.pending) });
    button.dataset.kind = kind;
    button.addEventListener("click", () => fetchFile(button, kind));
    return button;
  }));
}

// Files that nobody has asked for yet are made at the first click.
async function fetchFile(button, kind) {
  if (button.getAttribute("aria-busy") === "true") return;
  const [from, label] = [take, button.textContent];
  button.setAttribute("aria-busy", "true");
  say(`Making the ${label} file …`);
  const answer = await server.export_file({ take: from.take, kind }).catch(() => ({ fault: "The file could not be fetched; is the studio still running?" }));
  button.setAttribute("aria-busy", "false");
  if (answer.fault) return say(answer.fault);
  say("");
  const beside = from.files.json.url;
  const href = beside.slice(0, beside.lastIndexOf("/") + 1) + encodeURIComponent(answer.name);
  const link = make("a", "", { href, download: answer.name });
  link.hidden = true;
  root.append(link);
  link.click();
  link.remove();
}

function showNumbers(value) {
  const at = (point) => `valence ${point.valence.toFixed(1)}, arousal ${point.arousal.toFixed(1)}`;
  find(".player-landing").textContent = value.piece
    ? `Our evaluator hears this piece as ${value.piece.region} (${at(value.piece)}), ${value.distance.toFixed(1)} from the target.`
    : `The target was ${value.target.region} (${at(value.target)}).`;
  find(".player-metrics").replaceChildren(...props.metrics.map(([key, name, meaning, digits]) => {
    const group = document.createElement("div"), number = value.metrics[key];
    group.append(make("dt", name), make("dd", typeof number === "number" ? number.toFixed(digits) : "–"), Object.assign(make("dd", meaning), { className: "meaning" }));
    return group;
  }));
  find(".player-remarks").replaceChildren(...value.remarks.map((remark) => make("li", remark)));
  find(".player-played").textContent = value.engine ? `Played by ${value.engine} with ${value.soundfont}.` : "";
}

// ---- other states ----

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
  if (props.value && props.value.state === "back") props.value = take || {};
  const value = props.value || {}, state = value.state || "empty", before = root.dataset.state;
  root.dataset.state = state;
  if (state !== "done") transport.audio.pause();
  if (state === "empty") {
    find(".player-empty h3").textContent = value.stopped ? "Stopped" : "No piece yet";
    find(".player-empty p").textContent = value.stopped ? props.stopped : props.empty;
  }
  if (state === "working") {
    if (before !== "working") root.dataset.stage = -1; // waiting for its turn
    showWork(value);
  }
  if (state === "failed") find(".player-failed p").textContent = value.message;
  if (state === "done") showTake(value);
  if (state === "working" && before !== "working")
    root.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
}

find(".player-stages").replaceChildren(...props.stages.map((name) => make("li", name[0].toUpperCase() + name.slice(1))));
find(".player-stop").addEventListener("click", () => {
  props.value = take || { stopped: true };
  show();
  trigger("stop");
});

// ---- controls ----

for (const button of root.querySelectorAll(".player-views button"))
  button.addEventListener("click", () => {
    root.dataset.view = button.dataset.view;
    for (const other of root.querySelectorAll(".player-views button")) other.setAttribute("aria-pressed", other === button);
    if (button.dataset.view === "score") sheet.show(take);
  });
root.addEventListener("eimg-time", sheet.follow);

loop.addEventListener("click", () => (transport.section() ? transport.setSection(null) : transport.setLooping(!transport.isLooping())));
const mark = (edge) => () => {
  const section = transport.section() || { start: 0, end: transport.length() };
  transport.setSection({ ...section, [edge]: transport.audio.currentTime });
};
find(".player-a").addEventListener("click", mark("start"));
find(".player-b").addEventListener("click", mark("end"));
root.addEventListener("transport-loop", ({ detail: { looping, section } }) => {
  loop.setAttribute("aria-pressed", looping);
  loop.querySelector("span").textContent = section ? `${clock(section.start)} – ${clock(section.end)}` : "Loop";
  loop.title = section ? "Back to the whole piece (L)" : "Play it again and again (L)";
});

const speed = find(".player-speed select");
speed.addEventListener("change", () => (transport.audio.defaultPlaybackRate = transport.audio.playbackRate = Number(speed.value)));
const volume = find(".player-volume input"), mute = find(".player-mute");
volume.addEventListener("input", () => {
  transport.audio.volume = volume.value ** 2; // nearer to how loudness is heard
  transport.audio.muted = Number(volume.value) === 0;
});
mute.addEventListener("click", () => (transport.audio.muted = !transport.audio.muted));
transport.audio.addEventListener("volumechange", () => {
  mute.setAttribute("aria-pressed", transport.audio.muted);
  volume.style.setProperty("--done", `${transport.audio.muted ? 0 : volume.value * 100}%`);
});

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (root.dataset.state !== "done" || !root.offsetParent || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "Space" && !usesSpace(event)) {
    event.preventDefault();
    transport.toggle();
  } else if (LETTERS[event.key] && root.contains(event.target) && !takesText(event)) find(LETTERS[event.key]).click();
}
document.addEventListener("keydown", onKey);

watch("value", show);
show();
