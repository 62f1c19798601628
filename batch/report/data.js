"use strict";
// The rows as columns. A row is known by its index in them, and by a key that names its scan.

const data = JSON.parse(document.getElementById("data").textContent);
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const live = data.live; // what a served page knows of its server; null for a page that stands alone
const STATUSES = ["ok", "review", "refused", "failed"];
// For each code of a missing picture: words for the list, and a sentence for the review.
const PROBLEMS = {
  gone: ["scan gone", "The scan is no longer where digitbox read it."],
  changed: ["scan changed", "The scan has changed since digitbox read it."],
  unread: ["not read", "digitbox could not read the file."],
  undecodable: ["no image", "digitbox could not open the file as an image."],
  remote: ["elsewhere", "The scan is in object storage. The report takes no pictures from there."],
  left: ["", "This report has no picture of the scan. For more pictures, use digitbox report --pictures."],
};

const rows = {
  key: [], file: [], prediction: [], confidence: [], sha256: [], page: [], status: [], reason: [], batch: [], source: [],
  processed_at: [], has_number: [],
};
const indexOfKey = new Map();
/** Answers that digitbox has, by index: corrected, comment, by, at. */
const savedAnswers = new Map();

/** Take more rows; a row replaces the older one of its scan, which may have another key. */
function addRows(columns) {
  columns.key.forEach((key, position) => {
    const replaced = indexOfKey.has(key) ? key : columns.replaces?.[position];
    const index = indexOfKey.get(replaced) ?? rows.key.length;
    indexOfKey.delete(replaced);
    if (replaced !== key) savedAnswers.delete(index);
    indexOfKey.set(key, index);
    for (const name of Object.keys(rows)) {
      const column = columns[name];
      rows[name][index] = column.codes ? column.values[column.codes[position]] : (column[position] ?? null);
    }
    if (columns.answers[position]) savedAnswers.set(index, columns.answers[position]);
  });
}

addRows(data.columns);

const rowCount = () => rows.key.length;
const toneOf = (status) => (status === "review" ? "review-tone" : status);
const reasonWords = (index) => data.reasons[rows.reason[index]] ?? rows.reason[index];
const grouped = (number) => number.toLocaleString("en-GB");
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 });
const plural = (number, singular, several = `${singular}s`) => `${grouped(number)} ${number === 1 ? singular : several}`;
const localTime = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
});

/** Return a time such as 2026-01-02T12:00:00Z in words, in the time zone of the reader. */
function timeWords(iso) {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : localTime.format(time);
}

/** Return a probability with three decimals; one below 1 never becomes 1.000. */
function probabilityWords(probability) {
  if (probability === null) return "";
  return probability < 1 && probability > 0.9995 ? "> 0.999" : probability.toFixed(3);
}

/** Return true if the row is one of results with numbers. */
function hasNumber(index) {
  return rows.has_number[index] !== null;
}

/** Return the model's digit or number, or none. */
function predictionOf(index) {
  return rows.prediction[index] === null ? "none" : String(rows.prediction[index]);
}

/** Return the answer that the page offers: what digitbox read, or null if it could not read the file. */
function offerOf(index) {
  return rows.status[index] === "failed" ? null : predictionOf(index);
}

/** Return an answer or a prediction in words. */
function answerWords(answer) {
  return { none: "not a digit", open: "left open" }[answer] ?? answer;
}

/** Return true if digitbox could read the file, so that a person can answer. */
function canBeReviewed(index) {
  return rows.sha256[index] !== "";
}

/** Return the name of a file, with its page if it has several. */
function nameWords(index) {
  return rows.page[index] === null ? rows.file[index] : `${rows.file[index]}, page ${rows.page[index]}`;
}

/** Return the name of a file, where digitbox found it, and when it read it. */
function fileWords(index) {
  const source = rows.source[index] ? `\nfound in ${rows.source[index]}` : "";
  return `${nameWords(index)}${source}\nread ${timeWords(rows.processed_at[index])}`;
}

/** Make an element with a class and a text; the text never becomes markup. */
function element(tag, className = "", text = "") {
  const created = document.createElement(tag);
  if (className) created.className = className;
  if (text) created.textContent = text;
  return created;
}

/** Make a button with a class and a text. */
function buttonOf(className, text, click) {
  const button = element("button", className, text);
  button.type = "button";
  if (click) button.addEventListener("click", click);
  return button;
}

function byId(id) {
  return document.getElementById(id);
}

/**
 * Return the key of an event, a letter as a small one, since Caps Lock may be on. It is empty with Ctrl, Alt or Meta, and
 * if a browser fills in a field.
 */
function keyOf({ key = "", ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return "";
  return key.length === 1 ? key.toLowerCase() : key;
}

/** Switch a button on or off. One that is off gives up the focus, since a browser drops the keys that it gets. */
function enable(button, isOn) {
  button.disabled = !isOn;
  if (!isOn) button.blur();
}

/** Make a thin bar that is filled to a share of its width. */
function track(share) {
  const outer = element("div", "track");
  const inner = element("div");
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  outer.append(inner);
  outer.ariaHidden = "true";
  return outer;
}

/** Make the picture of a scan, or say why there is none. */
function scanPicture(index, isLarge, problem = pictures.problem[index] ?? "left") {
  const webp = pictures.scan[index];
  if (!webp && !(live && problem === "left" && canBeReviewed(index))) {
    return element("span", "nothing", PROBLEMS[problem][Number(isLarge)]);
  }
  const image = element("img");
  image.src = webp ? `data:image/webp;base64,${webp}` : `picture/${isLarge ? "large" : "small"}/${rows.key[index]}`;
  image.alt = "";
  image.addEventListener("error", () => image.replaceWith(element("span", "nothing", isLarge ? "" : "no picture")));
  return image;
}
