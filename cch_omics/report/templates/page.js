"use strict";

// Tables: a click on a heading sorts the rows, of groups each by itself; a second click turns the order round.
for (const heading of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  button.addEventListener("click", () => sort(heading));
  heading.append(button);
}

function sort(heading) {
  const turned = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", turned ? "descending" : "ascending");
  const body = heading.closest("table").tBodies[0];
  const groups = [[]];
  for (const row of body.rows) {
    if (row.classList.contains("group")) groups.push([row], []);
    else groups.at(-1).push(row);
  }
  const compare = heading.classList.contains("number") ? byNumber : byText;
  for (const rows of groups) {
    const keyed = rows.map((row) => [row.cells[heading.cellIndex]?.textContent.trim() ?? "", row]);
    keyed.sort(([one], [other]) => compare(one, other, turned ? -1 : 1));
    body.append(...keyed.map(([, row]) => row));
  }
}

// Cells without a number, or without text, come last in both orders.
function byNumber(one, other, sign) {
  const [a, b] = [one, other].map(numberOf);
  return isNaN(a) || isNaN(b) ? isNaN(a) - isNaN(b) : sign * (a - b);
}

function byText(one, other, sign) {
  return !one || !other ? !one - !other : sign * one.localeCompare(other, undefined, { numeric: true });
}

function numberOf(text) {
  const found = text.replaceAll("−", "-").replaceAll(",", "").match(/[-+]?\d+(\.\d+)?(e[-+]?\d+)?/);
  // "< 1%" comes before 1%, and "> 99%" after 99%.
  return found ? Number(found[0]) + ({ "<": -1e-9, ">": 1e-9 }[text[0]] ?? 0) : NaN;
}

// Figures: their data and the picture itself as files.
for (const figure of document.querySelectorAll("svg.figure")) {
  const name = figure.dataset.name;
  const offers = document.createElement("p");
  offers.className = "save";
  offers.append("Save ");
  const offer = (label, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", act);
    offers.append(button, " ");
  };
  offer("data (CSV)", () => save([figure.dataset.csv], "text/csv", `${name}.csv`));
  offer("picture (SVG)", () => save([alone(figure)], "image/svg+xml", `${name}.svg`));
  offer("picture (PNG)", () => paint(figure, (painted) => save([painted], "image/png", `${name}.png`)));
  (figure.closest(".scroll") ?? figure).after(offers);
}

function save(parts, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function alone(figure) {
  const copy = figure.cloneNode(true);
  delete copy.dataset.csv;
  copy.style.background = "white";
  return new XMLSerializer().serializeToString(copy);
}

function paint(figure, then) {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(then);
  };
  image.src = `data:image/svg+xml,${encodeURIComponent(alone(figure))}`;
}
