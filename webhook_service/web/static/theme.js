// Light or dark, as the reader's system has it; before anything is drawn.
const dark = matchMedia("(prefers-color-scheme: dark)");
const apply = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
dark.addEventListener("change", apply);
apply();
