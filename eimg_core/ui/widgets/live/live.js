// Live music. gr.HTML runs this once with `element`, `props`, `server` and `watch`, after tiny_roll.js; __init__.py says what
// the value holds. Of the bars that were asked for, one sounds (`now`) and the one after it waits (`next`) for its time. Where
// the target moves meanwhile, and there is time enough, `next` is composed anew; so a move is heard from the next bar line on.

const find = (selector) => element.querySelector(selector);
const root = find(".live");
const EARLY_S = 0.05, BEGIN_S = 0.15, FADE_S = 0.6, SHOWN_S = 12, MOVED = 0.2;
let audio = null, run = null;

const target = () => (props.value && props.value.target) || null;
const far = (a, b) => Math.hypot(a.valence - b.valence, a.arousal - b.arousal) > MOVED;
const explain = (words) => tell(find(".live-said"), words);
const startOf = (bars) => run.zero + bars.start_s;

// Asks for the bars after some others, and lets them sound at their time; what waited there before gives way.
async function prepare() {
  const mine = run, turn = ++mine.turn, aimed = target(), asked = performance.now();
  const answer = await server
    .next_bars({ packed: mine.now ? mine.now.packed : null, target: aimed, pairing: props.value.pairing, seed: mine.seed + mine.count })
    .catch(() => ({ fault: message("The file could not be fetched; is the studio still running?").key }));
  if (run !== mine || turn !== mine.turn) return; // stopped, or asked anew
  learn(answer);
  if (answer.fault) return stop(true, said(answer.fault));
  const bytes = Uint8Array.from(atob(answer.sound), (letter) => letter.charCodeAt(0));
  const buffer = await audio.decodeAudioData(bytes.buffer);
  if (run !== mine || turn !== mine.turn) return;
  mine.takes_s = (performance.now() - asked) / 1000;
  if (mine.next && audio.currentTime > startOf(mine.next) - EARLY_S) return; // too late: the other has begun
  if (mine.next) mine.next.source.stop();
  if (mine.zero === null || audio.currentTime > startOf(answer) - EARLY_S) mine.zero = audio.currentTime + BEGIN_S - answer.start_s;
  const source = new AudioBufferSourceNode(audio, { buffer });
  source.connect(mine.gain);
  source.start(startOf(answer));
  mine.next = { ...answer, sound: null, source, aimed };
  follow();
}

// Composes the waiting bars anew where the target has moved away from theirs and they can be there in time.
function follow() {
  if (!run || !run.next || !target() || !far(target(), run.next.aimed)) return;
  if (startOf(run.next) - audio.currentTime > 1.2 * run.takes_s + EARLY_S) prepare();
}

function tick() {
  if (!root.isConnected || !root.offsetParent) return stop(false);
  if (!run.next || audio.currentTime < startOf(run.next)) return;
  run.now = run.next;
  run.next = null;
  run.count += 1;
  run.notes.push(...run.now.notes);
  show();
  if (run.now.end_s >= props.longest) return stop(true, message("Live music lasts {minutes} minutes at most.", { minutes: Math.round(props.longest / 60) }));
  prepare();
}

function show() {
  const { end_s: end, region } = run.now, begin = Math.max(0, end - SHOWN_S);
  const seen = run.notes.filter((note) => note[1] > begin).map(([start, stop, pitch]) => [Math.max(0, start - begin), stop - begin, pitch]);
  find(".live-roll").replaceChildren(tinyRoll(tinyNotes(seen, Math.max(end - begin, 1))));
  tell(find(".live-where"), joined([message(region), message("{seconds} s", { seconds: end.toFixed(0) })], "  ·  "));
}

function start() {
  if (!target()) return explain(message("Choose an emotion in the plane, or give a photo, before you play live."));
  for (const other of document.querySelectorAll("audio")) other.pause();
  audio ||= new AudioContext();
  audio.resume();
  const gain = new GainNode(audio);
  gain.connect(audio.destination);
  run = { zero: null, now: null, next: null, turn: 0, count: 0, notes: [], seed: Math.floor(Math.random() * 1e6), takes_s: 1, gain };
  run.timer = setInterval(tick, 40);
  root.dataset.state = "running";
  explain("");
  tell(find(".live-where"), message("composing"));
  find(".live-roll").replaceChildren();
  find(".live-stop").focus({ preventScroll: true });
  prepare();
}

// Ends the music; what was heard of it becomes a piece of the page, as if a link to it had been opened.
function stop(keep, words = "") {
  if (!run) return;
  const { now, next, gain, timer } = run;
  clearInterval(timer);
  if (next) next.source.stop();
  gain.gain.setTargetAtTime(0, audio.currentTime, FADE_S / 3);
  run = null;
  root.dataset.state = "idle";
  explain(words);
  if (keep && now) location.hash = `#create=${now.packed}`;
}

find(".live-start").addEventListener("click", start);
find(".live-stop").addEventListener("click", () => stop(true));
document.addEventListener("play", () => stop(false), true); // one music at a time
watch("value", follow);
