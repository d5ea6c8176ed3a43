// The F7 form: the list of tags gets shorter while its name or the initials of its pinyin are typed.
"use strict";

(() => {
  if (window.careloopFeedback) return; // the form may be opened many times on one page
  window.careloopFeedback = true;

  document.addEventListener("input", (event) => {
    const field = event.target.closest?.("[data-filter-tags]");
    if (!field || event.isComposing) return;
    narrow(field);
  });

  document.addEventListener("compositionend", (event) => {
    const field = event.target.closest?.("[data-filter-tags]");
    if (field) narrow(field);
  });

  // Enter takes the first tag that is left, and goes on to the words.
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("[data-filter-tags]");
    if (!field || event.isComposing || event.keyCode === 229 || event.key !== "Enter" || event.ctrlKey) return;
    event.preventDefault();
    const first = document.querySelector(`${field.dataset.filterTags} label:not([hidden]) input`);
    if (!first) return;
    first.checked = true;
    first.dispatchEvent(new Event("change", { bubbles: true }));
    field.form?.elements.namedItem("text")?.focus();
  });

  function narrow(field) {
    const words = field.value.trim().toLowerCase();
    const list = document.querySelector(field.dataset.filterTags);
    if (!list) return;
    for (const group of list.querySelectorAll("fieldset")) {
      let left = 0;
      for (const label of group.querySelectorAll("label")) {
        label.hidden = !label.dataset.typed.includes(words);
        if (!label.hidden) left += 1;
      }
      group.hidden = left === 0;
    }
  }
})();
