"use strict";
const { figures, templates } = JSON.parse(document.getElementById("data").textContent);
const button = document.getElementById("theme");

function draw(theme) {
  document.documentElement.dataset.theme = theme;
  button.textContent = theme === "dark" ? "Light" : "Dark";
  for (const place of document.querySelectorAll("[data-figure]")) {
    const { data, layout } = figures[Number(place.dataset.figure)];
    // Plotly writes into what it is given, so each drawing gets a copy of its own.
    const copy = structuredClone({ data, layout });
    copy.layout.template = structuredClone(templates[theme]);
    Plotly.react(place, copy.data, copy.layout, { responsive: true, displaylogo: false });
  }
}

button.addEventListener("click", () => draw(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
draw(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.documentElement.dataset.drawn = "yes";
