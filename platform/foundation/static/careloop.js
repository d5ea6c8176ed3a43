// What every page does: form tokens, forms that answer in place, keys, menus. No page needs it to be usable.
"use strict";

(() => {
  const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

  // A mistake is shown at the head of the form it was made in; of a form without fields, at the head of the page.
  function mistakeBox(form) {
    if (!form?.querySelector?.(".cl-field")) return document.getElementById("mistake");
    let box = form.querySelector("[data-mistake]");
    if (!box) {
      box = document.createElement("div");
      box.dataset.mistake = "";
      box.className = "cl-wide";
      box.setAttribute("role", "alert");
      form.prepend(box);
    }
    return box;
  }

  function forgetMistakes() {
    for (const box of document.querySelectorAll("#mistake, [data-mistake]")) box.replaceChildren();
  }

  // ---------------------------------------------------------------------------------------- htmx
  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["x-csrftoken"] = token();
  });
  document.addEventListener("htmx:beforeRequest", forgetMistakes);
  document.addEventListener("htmx:beforeSwap", (event) => {
    const form = event.detail.requestConfig.elt;
    if (event.detail.xhr.status === 422) event.detail.target = mistakeBox(form) ?? event.detail.target;
  });
  document.addEventListener("htmx:sendError", () => tell(document.documentElement.dataset.offline));

  // --------------------------------------------------------------------- forms that answer in place
  // A plain form with method="post" is sent by script, so that a mistake is shown above it and nothing that was
  // typed is lost. `data-plain` leaves a form to the browser: for downloads and pages that a form answers with.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post],[hx-put],[data-plain]")) return;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
      return;
    }
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    forgetMistakes();
    try {
      await send(form, event.submitter);
    } catch {
      tell(document.documentElement.dataset.offline);
    } finally {
      form.removeAttribute("aria-busy");
    }
  });

  async function send(form, submitter) {
    const data = new FormData(form, submitter);
    const address = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
    const answer = await fetch(address, {
      method: "POST",
      body: form.enctype === "multipart/form-data" ? data : new URLSearchParams(data),
      headers: { "x-careloop-form": "1", "x-csrftoken": token() },
    });
    const next = answer.headers.get("HX-Redirect");
    if (next) {
      // An address that differs in its #part alone would only scroll, and the page would stay as it was.
      const there = new URL(next, location.href);
      if (there.pathname === location.pathname && there.search === location.search) {
        if (there.hash !== location.hash) history.replaceState(history.state, "", there);
        location.reload();
      } else location.assign(there);
      return new Promise(() => {}); // the form stays busy until the next page is there
    }
    const text = await answer.text();
    if (!answer.ok) {
      showMistake(form, text);
      return undefined;
    }
    document.open();
    document.write(text);
    document.close();
    return undefined;
  }

  function showMistake(form, html) {
    const box = mistakeBox(form);
    if (!box) return;
    box.innerHTML = html;
    box.scrollIntoView({ block: "nearest" });
  }

  function tell(sentence) {
    const box = mistakeBox();
    if (!box || !sentence) return;
    const line = document.createElement("div");
    line.className = "cl-mistake";
    line.textContent = sentence;
    box.replaceChildren(line);
  }

  // htmx forms ask too, when told to.
  document.addEventListener("htmx:confirm", (event) => {
    const question = event.target.closest("[data-confirm]")?.dataset.confirm;
    if (!question) return;
    event.preventDefault();
    if (window.confirm(question)) event.detail.issueRequest(true);
  });

  // ---------------------------------------------------------------------------------------- keys
  // Any element with data-key="F8", "Ctrl+Enter", "Alt+B", "/" … is pressed (or, a field, entered) by that key.
  document.addEventListener("keydown", (event) => {
    // An input method composing Chinese owns the keyboard.
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
    const name = keyName(event);
    const single = name.length === 1;
    if (single && isTyping(event.target)) return;
    if (name === "?") {
      event.preventDefault();
      openKeys();
      return;
    }
    if (document.querySelector("dialog[open]") && !event.target.closest("dialog")) return;
    const scope = document.querySelector("dialog[open]") ?? document;
    const element = [...scope.querySelectorAll("[data-key]")].find((e) => isCalled(e, name) && isUsable(e));
    if (!element) return;
    event.preventDefault();
    press(element);
  });

  function keyName(event) {
    const key = event.key === " " ? "Space" : event.key;
    const shown = key.length === 1 ? key.toUpperCase() : key;
    const arrow = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→" }[shown] ?? shown;
    return (event.ctrlKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "") + arrow;
  }

  function isCalled(element, name) {
    return element.dataset.key === name || (name.length === 1 && element.dataset.key.toUpperCase() === name);
  }

  function isTyping(target) {
    return target.matches?.("input:not([type=checkbox]):not([type=radio]):not([type=button]):not([type=submit]), textarea, select, [contenteditable]");
  }

  function isUsable(element) {
    return !element.disabled && element.getClientRects().length > 0;
  }

  function press(element) {
    if (element.matches("textarea, select, input:not([type=checkbox]):not([type=radio])")) {
      element.focus();
      element.select?.();
    } else {
      element.click();
    }
  }

  // ------------------------------------------------------------------------------------ key help
  function openKeys() {
    const dialog = document.getElementById("keys");
    if (!dialog || dialog.open) return;
    const list = dialog.querySelector("[data-keys-list]");
    list.replaceChildren();
    const seen = new Set();
    for (const element of document.querySelectorAll("[data-key]")) {
      if (!isUsable(element) || seen.has(element.dataset.key)) continue;
      seen.add(element.dataset.key);
      const term = document.createElement("dt");
      const key = document.createElement("kbd");
      key.textContent = element.dataset.key;
      term.append(key);
      const text = document.createElement("dd");
      text.textContent = labelOf(element);
      list.append(term, text);
    }
    list.append(dialog.querySelector("[data-keys-fixed]").content.cloneNode(true));
    dialog.showModal();
  }

  function labelOf(element) {
    const source = element.dataset.keyLabel ?? element.getAttribute("aria-label");
    if (source) return source;
    const copy = (element.labels?.[0] ?? element).cloneNode(true);
    copy.querySelectorAll("kbd, svg, .cl-required").forEach((part) => part.remove());
    return copy.textContent.trim();
  }

  // ------------------------------------------------------------------------------- support access
  // What is left of it, by this browser's own clock from when the page came: the server ends it by its own.
  function countDown(bar) {
    const left = bar.querySelector("[data-support-left]");
    const ends = performance.now() + Number(bar.dataset.seconds) * 1000;
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
      const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
      left.textContent = parts.map((part) => String(part).padStart(2, "0")).join(":");
      if (seconds > 0) return;
      clearInterval(timer);
      left.hidden = true;
      bar.querySelector("[data-support-over]").hidden = false;
    };
    const timer = setInterval(tick, 1000);
    tick();
  }
  document.querySelectorAll("[data-support]").forEach(countDown);

  // --------------------------------------------------------------------------- menus and copying
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-open]")) openKeys();
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    const copier = event.target.closest("[data-copy]");
    if (copier) {
      const source = document.querySelector(copier.dataset.copy);
      const text = source?.value ?? source?.textContent ?? "";
      navigator.clipboard?.writeText(text.trim()).then(() => copier.classList.add("cl-copied"));
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
})();
