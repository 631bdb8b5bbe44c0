// Applies the chosen theme, or that of the reader's system, before the page is drawn.
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) return chosen;
  } catch {}  // the browser keeps nothing
  return dark.matches ? "dark" : "light";
};
const apply = () => { document.documentElement.dataset.bsTheme = theme(); };
dark.addEventListener("change", apply);
apply();
