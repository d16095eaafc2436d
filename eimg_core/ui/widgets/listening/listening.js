// The blind listening test. gr.HTML runs this once with `element`, `props` and `watch`, after transport.js and
// listening_rules.js; listening.py says what the value holds. Who wrote which piece is on the page only after the last
// answer: the sound comes from addresses made here, which tell nothing.

const find = (selector) => element.querySelector(selector), all = (selector) => [...element.querySelectorAll(selector)];
const root = find(".listening"), form = find(".listening-form");
const SIDES = ["A", "B"], ENOUGH_S = 1.5; // one has to have heard both before one can answer
const ASKS = ["fits", "better"];
const piece = Object.fromEntries(SIDES.map((side) => {
  const part = find(`[data-side=${side}]`);
  return [side, { part, audio: part.querySelector("audio"), play: part.querySelector("button") }];
}));

let value = {}; // of the comparison
let photo = ""; // address of the picture that the pieces were composed for
let test = null; // { id, trials: [{ A, B, heard, answers }], at, asks }
let sounds = new Map(); // card → blob address
let shown = null; // the answers in the table

const ready = () => (value.cards || []).filter((card) => card.state === "done" && card.files && card.files.wav);

// ---- before ----------------------------------------------------------------------------------------------------

function setUp() {
  const made = ready(), kept = keptAnswers(), { state = "empty", cards = [] } = value;
  const busy = state === "waiting" || state === "working" || state === "packing";
  const can = made.length > 1 && state === "done";
  find(".listening-setup h3").textContent = busy ? "Preparing the pieces" : can ? "Ready to listen" : "Nothing to listen to yet";
  find(".listening-lead").textContent = busy ? `${made.length} of ${cards.length || "…"} pieces are ready.`
    : state === "failed" ? value.message
    : can ? `${made.length} pieces for ${value.photo_name || "your emotion"}, equally loud. In each trial you hear two of them and do not know whose they are. ${pairCount(made.length)} pairs.`
    : "Give a photo, choose two composers or more, and press Prepare the pieces. A finished comparison can be used as well.";
  form.hidden = !can;
  const trials = form.elements.trials;
  if (can && Number(trials.max) !== 2 * pairCount(made.length)) {
    trials.max = 2 * pairCount(made.length);
    trials.value = Math.min(pairCount(made.length), 15);
    form.elements.seed.value = Math.floor(Math.random() * 10000);
  }
  find(".listening-kept").replaceChildren(...(kept.length && !busy ? [
    `${kept.length} answers of yours are kept in this browser. `, linkButton("See them", () => showResult(keptAnswers(), "All answers kept in this browser")),
  ] : []));
  root.dataset.state = "setup";
}

function linkButton(text, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = text;
  button.addEventListener("click", act);
  return button;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const made = ready(), go = find(".listening-go");
  go.disabled = true;
  try {
    await Promise.all(made.map(async (card) => {
      if (!sounds.has(card)) sounds.set(card, URL.createObjectURL(await (await fetch(card.files.wav.url)).blob()));
    }));
  } catch {
    find(".listening-lead").textContent = "The pieces could not be fetched; they may be older than an hour. Press Prepare the pieces again.";
    return;
  } finally {
    go.disabled = false;
  }
  const wanted = Math.max(1, Math.min(Number(form.elements.trials.max), Math.round(Number(form.elements.trials.value)) || 1));
  const seed = Math.max(0, Math.round(Number(form.elements.seed.value)) || 0);
  const trials = trialOrder(made.length, wanted, seed).map(([a, b]) => ({ A: made[a], B: made[b], heard: { A: 0, B: 0 }, answers: {} }));
  test = { id: Date.now(), order_seed: seed, trials, at: 0, asks: form.elements.better.checked ? ASKS : ["fits"] };
  const subject = photo ? "the photo" : value.target ? `the emotion “${value.target.region}”` : "the emotion";
  find("[data-ask=fits] legend").textContent = `Which piece fits ${subject} better?`;
  find("[data-ask=better]").hidden = test.asks.length < 2;
  find(".listening-photo").hidden = !photo;
  if (photo) find(".listening-photo").src = photo;
  root.dataset.state = "trial";
  showTrial();
  root.scrollIntoView({ block: "nearest" });
});

// ---- a trial ---------------------------------------------------------------------------------------------------

const trial = () => test.trials[test.at];
const complete = (one) => test.asks.every((ask) => one.answers[ask]);
const both = (one) => SIDES.every((side) => one.heard[side] >= ENOUGH_S);

function showTrial() {
  for (const side of SIDES) {
    const { audio } = piece[side];
    audio.pause();
    audio.src = sounds.get(trial()[side]);
  }
  find(".listening-trial h3").textContent = `Trial ${test.at + 1} of ${test.trials.length}`;
  find(".listening-trial progress").value = test.at / test.trials.length;
  refresh();
  find(".listening-trial h3").focus({ preventScroll: true });
}

function refresh() {
  const one = trial(), open = both(one);
  for (const side of SIDES) {
    const { part, audio, play } = piece[side], length = audio.duration || 1;
    part.classList.toggle("playing", !audio.paused);
    play.setAttribute("aria-pressed", !audio.paused);
    play.setAttribute("aria-label", `${audio.paused ? "Play" : "Pause"} piece ${side}`);
    part.querySelector("i").style.width = `${(100 * audio.currentTime) / length}%`;
    part.querySelector(".listening-heard").textContent = one.heard[side] >= ENOUGH_S ? "heard" : "not heard yet";
  }
  for (const button of all(".listening-question button")) {
    button.disabled = !open;
    const ask = button.closest("fieldset").dataset.ask;
    button.setAttribute("aria-pressed", one.answers[ask] === button.dataset.answer);
  }
  find(".listening-next").disabled = !complete(one);
  find(".listening-next").textContent = test.at + 1 < test.trials.length ? "Next" : "See who it was";
  find(".listening-back").disabled = test.at === 0;
}

// The other piece starts where this one is.
function play(side) {
  const { audio } = piece[side], other = piece[side === "A" ? "B" : "A"].audio;
  if (!audio.paused) return audio.pause();
  if (!other.paused && other.duration && audio.duration) audio.currentTime = Math.min((other.currentTime / other.duration) * audio.duration, audio.duration - 0.05);
  audio.play().catch(() => {});
}

for (const side of SIDES) {
  const { audio, play: button } = piece[side];
  let before = null;
  button.addEventListener("click", () => play(side));
  audio.addEventListener("play", () => {
    before = audio.currentTime;
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  audio.addEventListener("timeupdate", () => {
    if (!test) return;
    const went = audio.currentTime - before;
    if (before !== null && went > 0 && went < 1) trial().heard[side] += went;
    before = audio.currentTime;
    refresh();
  });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => test && refresh());
}

function answer(ask, choice) {
  if (!both(trial())) return;
  trial().answers[ask] = choice;
  refresh();
  find(".listening-live").textContent = choice === "none" ? "No difference." : `Piece ${choice}.`;
}

function turn(step) {
  if (step > 0 && !complete(trial())) return;
  if (test.at + step >= test.trials.length) return finish();
  test.at = Math.max(0, test.at + step);
  showTrial();
}

for (const button of all(".listening-question button"))
  button.addEventListener("click", () => answer(button.closest("fieldset").dataset.ask, button.dataset.answer));
find(".listening-next").addEventListener("click", () => turn(1));
find(".listening-back").addEventListener("click", () => turn(-1));
find(".listening-leave").addEventListener("click", finish);

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (root.dataset.state !== "trial" || !root.offsetParent || event.ctrlKey || event.metaKey || event.altKey || takesText(event)) return;
  const key = event.key.toLowerCase();
  // Digits answer the first question that is open; once all are answered, they change the last one.
  const ask = test.asks.find((one) => !trial().answers[one]) || test.asks.at(-1);
  const acts = {
    a: () => play("A"), b: () => play("B"), 1: () => answer(ask, "A"), 2: () => answer(ask, "B"), 0: () => answer(ask, "none"),
    arrowright: () => turn(1), arrowleft: () => turn(-1),
  };
  if (key === " " && !usesSpace(event)) acts[" "] = () => play(piece.B.audio.paused ? "A" : "B");
  if (!acts[key]) return;
  event.preventDefault();
  acts[key]();
}
document.addEventListener("keydown", onKey);

// ---- after -----------------------------------------------------------------------------------------------------

function finish() {
  for (const side of SIDES) piece[side].audio.pause();
  const answered = test.trials.filter(complete).map((one, n) => ({
    test: test.id, date: new Date(test.id).toISOString().slice(0, 10), trial: n + 1, order_seed: test.order_seed,
    photo: value.photo_name || "", seed: value.seed, A: one.A.title, B: one.B.title, ...one.answers,
    heard_A_s: Number(one.heard.A.toFixed(1)), heard_B_s: Number(one.heard.B.toFixed(1)),
  }));
  test = null;
  keepAnswers(answered);
  if (!answered.length) return setUp();
  showResult(answered, "Who it was");
}

function showResult(answers, title) {
  shown = answers;
  root.dataset.state = "result";
  find(".listening-result h3").textContent = title;
  const asks = ASKS.filter((ask) => answers.some((one) => one[ask]));
  find(".listening-scope").textContent = `${answers.length} ${answers.length === 1 ? "answer" : "answers"}`;
  find(".listening-result tbody").replaceChildren(...asks.flatMap((ask) => [
    ...(asks.length > 1 ? [headRow(ask === "fits" ? "Which fits better" : "Which is the better music")] : []),
    ...tally(answers, ask).map(resultRow),
  ]));
  find(".listening-log").replaceChildren(...answers.map((one) => {
    const item = document.createElement("li"), said = { A: one.A, B: one.B, none: "no difference" };
    item.textContent = `${one.A} or ${one.B}: ${said[one.fits]}${one.better ? `; better music: ${said[one.better]}` : ""}`;
    return item;
  }));
  find(".listening-live").textContent = `${title}: ${find(".listening-scope").textContent}`;
  find(".listening-result h3").focus({ preventScroll: true });
  root.scrollIntoView({ block: "nearest" });
}

function headRow(text) {
  const row = document.createElement("tr"), head = document.createElement("th");
  head.scope = "rowgroup";
  head.colSpan = 6;
  head.textContent = text;
  head.className = "listening-part";
  row.append(head);
  return row;
}

function resultRow({ name, wins, losses, ties, share, low, high }) {
  const row = document.createElement("tr"), head = document.createElement("th");
  const percent = (part) => (part === null ? "–" : `${Math.round(100 * part)} %`);
  head.scope = "row";
  head.textContent = name;
  row.append(head, ...[wins, losses, ties, percent(share), share === null ? "–" : `${percent(low)} to ${percent(high)}`].map((text) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    return cell;
  }));
  return row;
}

find(".listening-again").addEventListener("click", setUp);
find(".listening-erase").addEventListener("click", () => (eraseAnswers(), (shown = null), setUp(), (find(".listening-live").textContent = "Your answers are erased.")));
find(".listening-csv").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([answersCsv(shown)], { type: "text/csv" }));
  link.download = "listening-test.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

// ---- the comparison comes in ------------------------------------------------------------------------------------

function show() {
  const before = value.state;
  value = props.value || {};
  if (value.state === "waiting" && before !== "waiting") {
    for (const address of sounds.values()) URL.revokeObjectURL(address);
    sounds = new Map();
    const picture = document.querySelector("#photo img");
    photo = picture ? picture.src : "";
  }
  // Other pieces end a test that is under way; what was answered is kept.
  if (test && value.state === "waiting") return finish();
  if (!test && (root.dataset.state !== "result" || value.state === "waiting")) setUp();
}

watch("value", show);
show();
