// What the page does while the studio cannot be reached: it waits, says so in one sentence, and loses nothing. Gradio alone
// would load the whole page anew, without the photo and the settings. So a request that did not get through is held until
// the visitor presses Retry or the browser is online again; and where the connection breaks while a piece is made, the
// work ends as if it had failed, and the page stays.
(() => {
  const reach = window.fetch.bind(window);
  const waiting = new Set(); // what lets each held request try again
  let notice = null, pressed = null; // the button that asked last

  function close(andThen) {
    notice?.remove();
    notice = null;
    andThen();
  }

  // One sentence, and one button that tries again.
  function show(sentence, again) {
    if (notice) return;
    const { message, tell } = window.words;
    notice = document.createElement("div");
    notice.className = "unreached";
    notice.setAttribute("role", "alert");
    const words = document.createElement("p"), retry = document.createElement("button");
    retry.type = "button";
    tell(words, sentence);
    tell(retry, message("Retry"));
    retry.addEventListener("click", () => close(again));
    notice.append(words, retry);
    document.body.append(notice);
  }

  function resume() {
    const held = [...waiting];
    waiting.clear();
    for (const each of held) each();
  }

  const hold = () =>
    new Promise((goOn) => {
      const { message } = window.words;
      waiting.add(goOn);
      show(message("The studio cannot be reached. Nothing is lost: what you asked for goes on as soon as it can."), resume);
    });

  // What Gradio's server says of a run that failed, and that there are no more events; the visitor is told by us.
  function lastWords() {
    const { message } = window.words, asked = pressed;
    show(message("The connection was lost. Nothing that you made is gone; please try again."), () => asked?.click());
    const events = [{ msg: "unexpected_error", message: "The connection was lost.", success: false }, { msg: "close_stream" }];
    return new TextEncoder().encode(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""));
  }

  // The events of a piece that is being made, ended in order where the connection breaks before the server ends them.
  function guarded(response) {
    const reader = response.body.getReader(), text = new TextDecoder();
    let ended = false;
    const end = (out) => (ended || out.enqueue(lastWords()), out.close());
    const pass = (out, chunk) => {
      ended ||= text.decode(chunk, { stream: true }).includes('"close_stream"');
      out.enqueue(chunk);
    };
    const pull = (out) => reader.read().then(({ done, value }) => (done ? end(out) : pass(out, value)), () => end(out));
    const body = new ReadableStream({ pull, cancel: (why) => reader.cancel(why) });
    return new Response(body, { status: response.status, headers: response.headers });
  }

  window.fetch = async (request, options = {}) => {
    const address = new URL(request.url || request, location.href), asks = (options.method || request.method || "GET").toUpperCase() === "POST";
    const ours = address.origin === location.origin;
    if (ours && address.pathname.endsWith("/queue/data"))
      return reach(request, options).then(guarded, (fault) => {
        if (fault.name === "AbortError") throw fault;
        return new Response(lastWords(), { headers: { "content-type": "text/event-stream" } });
      });
    for (;;) {
      try {
        return await reach(request, options);
      } catch (fault) {
        if (!ours || !asks || fault.name === "AbortError") throw fault;
        await hold();
      }
    }
  };
  window.addEventListener("online", () => waiting.size && close(resume));
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("button");
    if (button && !notice?.contains(button)) pressed = button;
  }, true);
})();
