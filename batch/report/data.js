"use strict";
// The rows as columns. A row is known by its index in them.

const data = JSON.parse(document.getElementById("data").textContent);
const pictures = JSON.parse(document.getElementById("pictures").textContent);
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
const count = data.file.length;

const decoded = (column) => (index) => column.values[column.codes[index]];
const statusOf = decoded(data.status);
const reasonOf = decoded(data.reason);
const batchOf = decoded(data.batch);
const sourceOf = decoded(data.source);

const toneOf = (status) => (status === "review" ? "review-tone" : status);
const reasonWords = (index) => data.reasons[reasonOf(index)] ?? reasonOf(index);
const grouped = (number) => number.toLocaleString("en-GB");
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 });
const plural = (number, singular, several) => `${grouped(number)} ${number === 1 ? singular : several}`;

/** Return a time such as 2026-01-02T12:00:00Z in words. */
function timeWords(iso) {
  return iso.replace("T", " ").replace("Z", " UTC");
}

/** Return a probability with three decimals; one below 1 never becomes 1.000. */
function probabilityWords(probability) {
  if (probability === null) return "";
  return probability < 1 && probability > 0.9995 ? "> 0.999" : probability.toFixed(3);
}

/** Return the model's digit, or none. */
function predictionOf(index) {
  return data.prediction[index] === null ? "none" : String(data.prediction[index]);
}

/** Return the answer that the page offers: what digitbox read, or null if it could not read the file. */
function offerOf(index) {
  return statusOf(index) === "failed" ? null : predictionOf(index);
}

/** Return an answer or a prediction in words. */
function answerWords(answer) {
  return answer === "none" ? "not a digit" : answer;
}

/** Return the name of a file, and the folder that it was found in if the results have that. */
function fileWords(index) {
  return sourceOf(index) ? `${data.file[index]}\nfound in ${sourceOf(index)}` : data.file[index];
}

/** Make an element with a class and a text; the text never becomes markup. */
function element(tag, className = "", text = "") {
  const created = document.createElement(tag);
  if (className) created.className = className;
  if (text) created.textContent = text;
  return created;
}

function byId(id) {
  return document.getElementById(id);
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
function scanPicture(index, isLarge) {
  const webp = pictures.scan[index];
  if (!webp) return element("span", "nothing", PROBLEMS[pictures.problem[index] ?? "left"][Number(isLarge)]);
  const image = element("img");
  image.src = `data:image/webp;base64,${webp}`;
  image.alt = "";
  return image;
}
