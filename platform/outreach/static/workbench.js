// The call card: the timer, the outcome pad, drafts every five seconds, dialogs over the card.
// The keys themselves are pressed by careloop.js through data-key; nothing here listens to a letter.
"use strict";

(() => {
  const DRAFT_EVERY = 5000;
  const RING = 25; // seconds without an answer after which «no answer» is offered
  const form = document.getElementById("outcome-form");
  if (!form) return;
  const state = document.getElementById("draft-state");
  const outcomes = () => [...form.querySelectorAll("input[name=outcome]")];
  const chosen = () => form.querySelector("input[name=outcome]:checked")?.value ?? "";

  // ---------------------------------------------------------------------------------------- timer
  let timer = null; // { element, from } while a call goes on
  function startTimer() {
    const element = document.querySelector("#call-state [data-timer]");
    timer = element ? { element, from: performance.now() - Number(element.dataset.elapsed) * 1000 } : null;
    tick();
  }
  function seconds() {
    return timer ? Math.max(0, Math.floor((performance.now() - timer.from) / 1000)) : 0;
  }
  function tick() {
    if (!timer) return;
    const s = seconds();
    timer.element.textContent = `${String(Math.floor(s / 60)).padStart(2, "0")}:${String(s % 60).padStart(2, "0")}`;
  }
  setInterval(tick, 1000);

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "call-state") {
      const call = event.target.querySelector("[data-call]");
      if (call) form.elements.call_id.value = call.dataset.call;
      startTimer();
    }
    if (event.target.id === "card-dialog-body" && event.detail.successful !== false) {
      const dialog = document.getElementById("card-dialog");
      if (!dialog.open) dialog.showModal();
      dialog.querySelector("[autofocus], input:not([type=hidden]), textarea, select")?.focus();
    }
  });

  // ---------------------------------------------------------------------------------- outcome pad
  function pick(code) {
    const radio = outcomes().find((input) => input.value === code);
    if (!radio) return;
    radio.checked = true;
    show();
    const first = form.querySelector(`[data-for-outcome="${code}"] input`);
    (first ?? radio).focus();
  }
  function show() {
    const code = chosen();
    for (const part of document.querySelectorAll("[data-for-outcome]")) part.hidden = part.dataset.forOutcome !== code;
    for (const part of document.querySelectorAll("[data-hide-for]")) part.hidden = part.dataset.hideFor === code;
    if (code === "deceased") form.dataset.confirm = form.dataset.sure;
    else delete form.dataset.confirm;
  }
  form.addEventListener("change", (event) => {
    if (event.target.name === "outcome") show();
  });
  // A letter of the pad leads on to what its outcome needs.
  form.addEventListener("click", (event) => {
    if (event.target.name === "outcome" && event.detail === 0) pick(event.target.value);
  });

  document.addEventListener("click", (event) => {
    const target = event.target;
    const picker = target.closest("[data-pick]");
    if (picker) pick(picker.dataset.pick);
    if (target.closest("[data-end-call]")) endCall();
    if (target.closest("[data-next]")) nextPatient();
    if (target.closest("[data-close]")) target.closest("dialog").close();
    const pause = target.closest("[data-break]");
    if (pause && draft() !== saved) {
      event.preventDefault();
      save().then(() => pause.form.requestSubmit());
    }
  });

  function endCall() {
    const phase = document.querySelector("#call-state [data-phase]")?.dataset.phase;
    const code = chosen() || (phase === "talking" ? "completed" : phase === "ringing" && seconds() >= RING ? "no_answer" : "");
    timer = null;
    if (code) pick(code);
    else outcomes()[0].focus();
  }

  // With an outcome the card is saved; without one the reason is asked why this patient is passed over.
  function nextPatient() {
    if (chosen()) form.requestSubmit(form.querySelector("button[name=then][value=next]"));
    else document.getElementById("skip-dialog").showModal();
  }

  // --------------------------------------------------------------------------------------- drafts
  let saved = draft();
  let sending = false;
  function draft() {
    const data = new URLSearchParams(new FormData(form));
    data.delete("_csrf_token");
    return data.toString();
  }
  async function save(leaving) {
    const now = draft();
    if (sending || now === saved || form.getAttribute("aria-busy") === "true") return;
    sending = true;
    state.textContent = form.dataset.saving;
    try {
      const answer = await fetch(form.dataset.draft, {
        method: "POST",
        body: new URLSearchParams(now),
        headers: {
          "x-csrftoken": document.querySelector('meta[name="csrf-token"]').content,
          "x-careloop-form": "1",
        },
        keepalive: leaving === true,
      });
      const text = await answer.text();
      if (answer.ok) {
        saved = now;
        state.textContent = text.trim();
      } else {
        state.textContent = form.dataset.failed;
        if (answer.status === 422) document.getElementById("mistake").innerHTML = text;
      }
    } catch {
      state.textContent = form.dataset.failed;
    } finally {
      sending = false;
    }
  }
  setInterval(save, DRAFT_EVERY);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") save(true);
  });

  startTimer();
  show();
})();
