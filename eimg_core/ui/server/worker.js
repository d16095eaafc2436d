// Keeps a copy of the page in the browser that installed it, so that it opens without a connection as well. What the studio
// answers is never kept: pieces are in the page's own storage, and photos are nowhere.
const COPY = "eimg-studio-VERSION";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  const others = (names) => names.filter((name) => name.startsWith("eimg-studio-") && name !== COPY);
  event.waitUntil(caches.keys().then((names) => Promise.all(others(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

async function answered(request) {
  const copies = await caches.open(COPY);
  try {
    const answer = await fetch(request);
    if (answer.ok) await copies.put(request, answer.clone());
    return answer;
  } catch (fault) {
    const copy = await copies.match(request, { ignoreSearch: request.mode === "navigate" });
    if (copy) return copy;
    throw fault;
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event, { origin, pathname } = new URL(request.url);
  if (request.method === "GET" && origin === location.origin && !pathname.includes("/gradio_api/")) event.respondWith(answered(request));
});
