// The preview of a brand: what is typed is shown at once, what is chosen as a logo is read by the browser alone.
(() => {
  const form = document.querySelector("[data-brand]");
  const preview = document.querySelector("[data-brand-preview]");
  if (!form || !preview) return;
  const saved = preview.querySelector("[data-brand-logo]").getAttribute("src");

  const names = () => {
    const zh = form.elements.shown_name.value.trim();
    const en = form.elements.shown_name_en.value.trim();
    const shown = form.dataset.brandLanguage === "zh" ? zh || en : en || zh;
    for (const place of preview.querySelectorAll("[data-brand-name]")) {
      place.textContent = shown || form.dataset.brandProduct;
    }
  };

  const colour = () => {
    const chosen = form.elements.colour.value;
    for (const head of preview.querySelectorAll("[data-brand-head]")) {
      head.className = chosen ? `cl-brand cl-hue-${chosen}` : "cl-brand";
    }
  };

  const show = (source) => {
    for (const image of preview.querySelectorAll("[data-brand-logo]")) {
      image.src = source || "data:,";
      image.hidden = !source;
    }
    for (const mark of preview.querySelectorAll("[data-brand-mark]")) mark.toggleAttribute("hidden", Boolean(source));
  };

  const logo = () => {
    const file = form.elements.logo.files[0];
    const away = form.elements.drop_logo?.checked;
    if (!file) {
      show(away || saved === "data:," ? "" : saved);
      return;
    }
    const reader = new FileReader();
    reader.addEventListener("load", () => show(String(reader.result)));
    reader.readAsDataURL(file);
  };

  form.addEventListener("input", () => { names(); colour(); });
  form.addEventListener("change", logo);
})();
