// The widgets of the page come one after the other, each with its own script, and what stands below them would move. The
// page is shown once they are there and its height has stayed the same for a few frames, or after eight seconds anyway.
(() => {
  const STILL_FRAMES = 4, LATEST_MS = 8000, began = performance.now();
  function look(tall, still) {
    const has = (selector) => document.querySelector(selector) !== null;
    const inputs = ((window.gradio_config || {}).components || []).some(({ props }) => props && props.elem_id === "plane");
    const built = has("#plane .plane-map[data-target]") && (has("#examples img") || !has("#examples"));
    const there = inputs ? built : has(".gradio-container .contain");
    const now = document.documentElement.scrollHeight, calm = there && now === tall ? still + 1 : 0;
    if (calm < STILL_FRAMES && performance.now() - began < LATEST_MS) return requestAnimationFrame(() => look(now, calm));
    document.body.dataset.settled = "";
  }
  requestAnimationFrame(() => look(0, 0));
})();
