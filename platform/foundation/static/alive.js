// Somebody who is here stays signed in, also on the phone without a click; a page that nobody touches does not.
// The server decides; this only tells it, at most once a minute, and says on the page when the session has ended.
"use strict";

(() => {
  const MINUTE = 60_000;
  const LONGEST_CALL = 60 * MINUTE; // a call does not keep a forgotten page open for ever
  const ADDRESS = "/me/alive";
  const idle = Number(document.body.dataset.idle) * 1000;
  if (!idle) return;

  let touched = Date.now(); // when the person last did something here
  let told = Date.now(); // when the server last heard of it: loading the page told it
  let asked = told; // when it last said that the session goes on
  let busy = false;
  let ended = false;

  for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "input"]) {
    document.addEventListener(name, act, { capture: true, passive: true });
  }
  function act() {
    touched = Date.now();
    if (touched - told >= MINUTE) beat();
  }
  // An element with data-in-use says that work goes on without a key being pressed, such as a call.
  function inUse(now) {
    return document.querySelector("[data-in-use]") !== null && now - touched < LONGEST_CALL;
  }
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-end-call]")) return;
    for (const element of document.querySelectorAll("[data-in-use]")) element.removeAttribute("data-in-use");
  });

  async function beat() {
    const now = Date.now();
    if (busy || ended) return;
    const here = (touched > told || inUse(now)) && now - told >= MINUTE;
    // Untouched for the whole time: ask quietly, and again each minute while another window keeps it alive.
    if (!here && now - asked < (asked > told ? MINUTE : idle)) return;
    busy = true;
    try {
      if (await goesOn(here)) {
        if (here) told = now;
        asked = now;
      } else {
        sayEnded();
      }
    } catch {
      // The server cannot be reached: whoever does something on the page is told so there.
    } finally {
      busy = false;
    }
  }
  async function goesOn(here) {
    const headers = { "x-careloop-form": "1" };
    if (here) headers["x-csrftoken"] = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
    else headers["x-careloop-quiet"] = "1";
    const answer = await fetch(ADDRESS, { method: here ? "POST" : "GET", headers });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return !answer.headers.has("HX-Redirect");
  }
  setInterval(beat, MINUTE / 4);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") beat();
  });

  // ------------------------------------------------------------------------------------------ ended
  function wayBack() {
    return `/signin?next=${encodeURIComponent(location.pathname + location.search)}`;
  }
  function sayEnded() {
    ended = true;
    const line = document.createElement("div");
    line.className = "cl-ended";
    line.setAttribute("role", "alert");
    const text = document.createElement("span");
    text.textContent = document.body.dataset.ended;
    const link = document.createElement("a");
    link.className = "btn btn-primary btn-sm";
    link.href = wayBack();
    link.textContent = document.body.dataset.again;
    line.append(text, link);
    document.body.append(line);
    // Nothing on the page can do anything any more: the next click leads to the door, and back here.
    document.addEventListener("click", leave, { capture: true });
    document.addEventListener("submit", leave, { capture: true });
  }
  function leave(event) {
    if (event.type === "click" && !event.target.closest?.("a, button, input[type=submit], summary")) return;
    event.preventDefault();
    event.stopPropagation();
    location.assign(wayBack());
  }
})();
