"use strict";
// The rows, as columns; a row is known by its place in them.

const data = JSON.parse(document.getElementById("data").textContent);
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const STATUSES = ["ok", "review", "refused", "failed"];
const PROBLEMS = {
  gone: ["scan gone", "The scan is no longer where it was read."],
  changed: ["scan changed", "The scan has changed since it was read."],
  unread: ["not read", "The file could not be read."],
  undecodable: ["no image", "The file cannot be decoded."],
  remote: ["elsewhere", "The scan is in object storage, which is not asked for pictures."],
  left: ["", "The page has no picture of it; digitbox report --pictures makes one with more."],
};
const count = data.file.length;

const decoded = (column) => (place) => column.values[column.codes[place]];
const statusOf = decoded(data.status);
const reasonOf = decoded(data.reason);
const batchOf = decoded(data.batch);
const modelOf = decoded(data.model);

const toneOf = (status) => (status === "review" ? "review-tone" : status);
const reasonWords = (place) => data.reasons[reasonOf(place)] ?? reasonOf(place);
const grouped = (number) => number.toLocaleString("en-GB");
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 });
const plural = (number, one, many) => `${grouped(number)} ${number === 1 ? one : many}`;

/** A share of 1, as in the results; what is only nearly certain does not look certain. */
function shareWords(share) {
  if (share === null) return "";
  return share < 1 && share > 0.9995 ? "> 0.999" : share.toFixed(3);
}

/** What the model says in one word: a digit, or that there is none. */
function saidOf(place) {
  return data.prediction[place] === null ? "none" : String(data.prediction[place]);
}

/** An element with a class and a text; never markup. */
function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

/** A thin bar, filled to a share of its width. */
function track(share) {
  const outer = element("div", "track");
  const inner = element("div");
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  outer.append(inner);
  outer.ariaHidden = "true";
  return outer;
}

/** The picture of a scan, or in few words or many why there is none. */
function scanPicture(place, large) {
  const found = pictures.scan[place];
  if (!found) return element("span", "nothing", PROBLEMS[pictures.problem[place] ?? "left"][Number(large)]);
  const image = element("img");
  image.src = `data:image/webp;base64,${found}`;
  image.alt = "";
  return image;
}
