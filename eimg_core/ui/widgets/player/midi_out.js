// MIDI out: while a piece plays, its keys and its pedal go to an instrument that is connected to this computer, and the page
// is silent. Stands after transport.js; `take` gives the value on show, `explain` says a sentence.

const AHEAD_S = 0.15, JUMP_S = 0.05, PEDAL_UP = [0xb0, 64, 0], NOTES_OFF = [0xb0, 123, 0];

function createMidiOut(root, transport, take, explain) {
  const { audio } = transport, button = document.createElement("button");
  let output = null, events = [], scored = null, sentTo = 0;
  button.type = "button";
  button.className = "player-midi quiet";
  button.setAttribute("aria-pressed", false);
  tell(button, message("MIDI out"));
  tell(button, message("Play on a MIDI instrument that is connected to this computer"), "title");
  if (navigator.requestMIDIAccess) root.querySelector(".player-controls").append(button);

  // (seconds, bytes) of the piece on show, in order.
  function score() {
    if (scored !== take()) {
      scored = take();
      const keys = scored.notes.flatMap(([start, end, pitch, velocity]) => [[start, [0x90, pitch, velocity]], [end, [0x80, pitch, 0]]]);
      const pedal = scored.pedals.flatMap(([down, up]) => [[down, [0xb0, 64, 127]], [up, PEDAL_UP]]);
      events = [...keys, ...pedal].sort((a, b) => a[0] - b[0] || a[1][0] - b[1][0]);
    }
    return events;
  }
  const silence = () => output && [PEDAL_UP, NOTES_OFF].forEach((bytes) => output.send(bytes));

  function follow({ detail: { time } }) {
    if (!output || audio.paused || !take()) return;
    if (time + AHEAD_S < sentTo - JUMP_S || time > sentTo + JUMP_S) {
      silence();
      sentTo = time;
    }
    for (const [at, bytes] of score())
      if (at >= sentTo && at < time + AHEAD_S) output.send(bytes, performance.now() + ((at - time) / audio.playbackRate) * 1000);
    sentTo = Math.max(sentTo, time + AHEAD_S);
  }

  async function choose() {
    if (output) {
      silence();
      output = null;
    } else {
      const access = await navigator.requestMIDIAccess().catch(() => null), [first] = access ? access.outputs.values() : [];
      output = first || null;
      explain(output ? message("Playing on {name}.", { name: output.name })
        : access ? message("No MIDI instrument is connected.") : message("This browser gives the page no MIDI instrument."));
    }
    audio.muted = Boolean(output);
    button.setAttribute("aria-pressed", Boolean(output));
  }

  button.addEventListener("click", choose);
  root.addEventListener("eimg-time", follow);
  audio.addEventListener("pause", silence);
}
