// Makes pages live: fetches the page anew when the server says that it may be out of date, and changes what differs.
// Everything works without it. It keeps nothing and asks nobody but this server.
"use strict";
(() => {
  const CALM = 5000; // Two fetches are so far apart at least.
  const LONGEST_WAIT = 60000;
  const FIRST_WAIT = 1000;
  const RELATIVE = 30000;

  const main = document.getElementById("main");
  const said = document.getElementById("said");
  const live = document.getElementById("live");
  const word = document.getElementById("live-word");
  document.documentElement.classList.add("has-script");

  // How long ago, or until when.
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const lengths = (unit) => new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long" });
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  function relative() {
    for (const time of document.querySelectorAll("main time[datetime]:not([data-exact])")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      if (Number.isNaN(seconds)) continue;
      const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
      const number = Math.trunc(seconds / size);
      const since = time.closest(".since");
      // Of what is to come, as clocks may differ, "since" stays.
      const isFor = since && number <= 0;
      if (!time.title) time.title = time.textContent;
      if (since) put(since.firstElementChild, isFor ? "for" : "since");
      put(time, isFor ? lengths(unit).format(-number) : words.format(number, unit));
    }
  }

  // Makes `old` like `fresh` and leaves alone whatever is the same, so that focus, scrolling and selection stay. What
  // somebody may be typing into is left as it is.
  function change(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.hasAttribute("data-keep")) return;
    if (old.localName === "time") {
      if (old.dateTime !== fresh.dateTime) old.replaceWith(fresh);
      return;
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    changeChildren(old, fresh);
  }
  const key = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.dataset?.key || node.id)) || "";

  // What has a key is found by it wherever it is now; only what really changes its place is moved.
  function changeChildren(old, fresh) {
    const wanted = new Set([...fresh.children].map(key));
    const mine = new Map();
    for (const child of [...old.children]) {
      if (!key(child)) continue;
      if (wanted.has(key(child))) mine.set(key(child), child);
      else child.remove();
    }
    let place = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const isAlike = place && !key(place) && place.nodeName === child.nodeName;
      const match = key(child) ? mine.get(key(child)) : isAlike ? place : undefined;
      if (!match) {
        old.insertBefore(child, place);
        continue;
      }
      if (match === place) place = place.nextSibling;
      else old.insertBefore(match, place);
      change(match, child);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }

  let last = performance.now();
  let planned;
  let fetching = false;
  function plan() {
    if (planned || fetching || document.hidden) return;
    planned = setTimeout(refresh, Math.max(0, last + CALM - performance.now()));
  }
  async function refresh() {
    planned = undefined;
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html", "x-forgewatch-refresh": "1" } });
      if (answer.redirected && new URL(answer.url).pathname === "/login") return signedOut();
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (!fresh) return;
      const former = main.dataset.headline;
      // Who wants no motion and who reads aloud notices nothing but what has changed.
      change(main, document.adoptNode(fresh));
      relative();
      if (document.title !== page.title) document.title = page.title;
      if (main.dataset.headline !== former) said.textContent = main.dataset.headline;
    } catch {
      // The stream notices as well, and says so.
    } finally {
      last = performance.now();
      fetching = false;
    }
  }

  let stream;
  let wait = FIRST_WAIT;
  let again;
  function show(isLive, text) {
    live.hidden = false;
    live.classList.toggle("on", isLive);
    put(word, text);
  }
  function signedOut() {
    disconnect();
    show(false, "Signed out");
    said.textContent = "You are signed out. Load the page anew to sign in.";
    document.removeEventListener("visibilitychange", follow);
  }
  function connect() {
    if (stream) return;
    stream = new EventSource(document.body.dataset.live);
    stream.addEventListener("open", () => {
      wait = FIRST_WAIT;
      show(true, "Live");
      plan();
    });
    stream.addEventListener("changed", plan);
    stream.addEventListener("error", () => {
      disconnect();
      show(false, "Not live");
      again = setTimeout(async () => {
        await refresh();
        if (!document.hidden && word.textContent !== "Signed out") connect();
      }, wait * (0.75 + Math.random() / 2));
      wait = Math.min(2 * wait, LONGEST_WAIT);
    });
  }
  function disconnect() {
    clearTimeout(again);
    clearTimeout(planned);
    planned = undefined;
    stream?.close();
    stream = undefined;
  }
  // A page that nobody sees takes no connection; one that is seen again is fetched at once.
  function follow() {
    if (document.hidden) return disconnect();
    connect();
  }

  relative();
  setInterval(relative, RELATIVE);
  // What was done is said once, and not again by who loads the page anew.
  const flash = document.querySelector(".flash");
  if (flash) setTimeout(() => { said.textContent = flash.textContent; }, 500);
  if (/^\?(asked|done)=\w+$/.test(location.search)) history.replaceState(null, "", location.pathname);
  if (document.body.dataset.live) {
    connect();
    document.addEventListener("visibilitychange", follow);
    addEventListener("pagehide", disconnect);
    addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
  }

  // Where the navigation is wider than the window, the place in it where one is is seen.
  const here = document.querySelector(".top [aria-current]");
  const places = here?.closest("ul");
  if (places) places.scrollLeft = here.offsetLeft - (places.clientWidth - here.offsetWidth) / 2;

  // Browsers keep the session's cookie back when another site leads here; a request of our own carries it.
  const onward = document.getElementById("continue");
  if (onward) {
    fetch(onward.href, { headers: { accept: "text/html" } }).then((answer) => {
      if (answer.ok && !answer.redirected) location.replace(onward.href);
    }, () => {});
  }
})();
