"use strict";
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const cards = [...document.querySelectorAll(".card")];
const byId = (id) => document.getElementById(id);
const tasks = byId("task"), rule = byId("rule"), find = byId("find"), order = byId("order");
const buttons = [...document.querySelectorAll("button[data-verdict]")];

// A picture is decoded when its card comes near the window, so that many cards cost little.
const near = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    const url = pictures[target.dataset.picture];
    if (url) target.setAttribute("href", url);
    near.unobserve(target);
  }
}, { rootMargin: "600px" });
document.querySelectorAll("image[data-picture]").forEach((image) => near.observe(image));

const verdictOf = (card) => card.dataset.verdicts.split(" ")[rule.selectedIndex];
const scoreOf = (card) => Number(card.dataset.scores.split(" ")[rule.selectedIndex]);

function show() {
  const wanted = buttons.find((button) => button.getAttribute("aria-pressed") === "true").dataset.verdict;
  const words = find.value.toLowerCase().trim();
  const counts = { all: 0, right: 0, wrong: 0, scored: 0, missing: 0 };
  let shown = 0;
  for (const card of cards) {
    const verdict = verdictOf(card);
    const inTask = tasks.selectedIndex === 0 || card.dataset.task === tasks.value;
    const found = inTask && (!words || card.textContent.toLowerCase().includes(words));
    if (found) { counts.all += 1; counts[verdict] += 1; }
    card.hidden = !(found && (wanted === "all" || wanted === verdict));
    shown += !card.hidden;
    card.classList.remove("right", "wrong", "missing", "scored");
    card.classList.add(verdict);
    const badge = card.querySelector(".badge");
    badge.textContent = verdict === "scored" ? card.dataset.scores.split(" ")[rule.selectedIndex] : verdict;
  }
  for (const button of buttons) button.querySelector("span").textContent = counts[button.dataset.verdict];
  byId("shown").textContent = `${shown} of ${cards.length} items`;
}

function sort() {
  const rank = { wrong: 0, missing: 1, right: 2, scored: 0 };
  const value = (card) => (Number.isNaN(scoreOf(card)) ? Infinity : scoreOf(card));
  const compare = {
    file: (a, b) => a.dataset.number - b.dataset.number,
    wrong: (a, b) => rank[verdictOf(a)] - rank[verdictOf(b)] || value(a) - value(b),
    right: (a, b) => rank[verdictOf(b)] - rank[verdictOf(a)] || value(b) - value(a),
  }[order.value];
  const sorted = [...cards].sort((a, b) => compare(a, b) || a.dataset.number - b.dataset.number);
  byId("cards").append(...sorted);
}

// What is chosen stands in the address, so that a view can be linked to: #verdict=wrong&task=mirror&find=red
const fields = { task: tasks, rule, order, find };

function press(verdict) {
  const button = buttons.find((one) => one.dataset.verdict === verdict);
  if (button) for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
}

function restore() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  for (const [name, field] of Object.entries(fields)) {
    const value = chosen.get(name);
    const known = field.options ? [...field.options].some((option) => option.value === value) : value !== null;
    if (known) field.value = value;
  }
  press(chosen.get("verdict") || "all");
}

function remember() {
  const chosen = new URLSearchParams();
  for (const [name, field] of Object.entries(fields)) {
    const isDefault = field.options ? field.selectedIndex === 0 : field.value === "";
    if (!isDefault) chosen.set(name, field.value);
  }
  const pressed = buttons.find((button) => button.getAttribute("aria-pressed") === "true").dataset.verdict;
  if (pressed !== "all") chosen.set("verdict", pressed);
  history.replaceState(null, "", `#${chosen}`);
}

function update() { sort(); show(); remember(); }

for (const button of buttons) {
  button.addEventListener("click", () => { press(button.dataset.verdict); update(); });
}
for (const field of [tasks, rule, order]) field.addEventListener("change", update);
find.addEventListener("input", update);
window.addEventListener("hashchange", () => { restore(); sort(); show(); });
byId("outlines").addEventListener("change", (event) => {
  document.body.classList.toggle("bare", !event.target.checked);
});
restore();
sort();
show();
