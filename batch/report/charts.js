// The overview: statuses, digits, confidences. Each bar is a button that filters.

function drawStatuses(target, toggle) {
  const all = STATUSES.reduce((sum, status) => sum + data.counts[status], 0);
  for (const status of STATUSES) {
    const button = element("button", toneOf(status));
    button.type = "button";
    button.dataset.status = status;
    button.append(
      element("span", "dot"),
      element("span", "", status),
      track(data.counts[status] / Math.max(1, all)),
      element("span", "count", grouped(data.counts[status])),
    );
    button.addEventListener("click", () => toggle(status));
    target.append(button);
  }
}

function drawDigits(target, choose) {
  const most = Math.max(1, ...data.digits);
  data.digits.forEach((number, digit) => {
    const button = bar(number / most, String(digit), number, `${digit}: ${plural(number, "scan", "scans")}`);
    button.dataset.digit = digit;
    button.addEventListener("click", () => choose(String(digit)));
    target.append(button);
  });
}

function drawConfidences(target, choose) {
  const most = Math.sqrt(Math.max(1, ...data.confidences));
  data.confidences.forEach((number, part) => {
    const [low, high] = [part / 20, (part + 1) / 20];
    const words = `${low.toFixed(2)} to ${high.toFixed(2)}: ${plural(number, "scan", "scans")}`;
    const button = bar(Math.sqrt(number) / most, "", "", words);
    button.dataset.low = low;
    button.addEventListener("click", () => choose(low, high));
    target.append(button);
  });
}

function bar(share, name, number, words) {
  const button = element("button");
  button.type = "button";
  button.title = words;
  button.ariaLabel = words;
  const filled = element("div", "bar");
  filled.style.height = `${share * 70}%`;
  filled.style.minHeight = share > 0 ? "2px" : "0";
  if (name) button.append(element("span", "number", compact.format(number)));
  button.append(filled);
  if (name) button.append(element("span", "name", name));
  return button;
}

function drawFacts(target) {
  const inTime = (text) => text.replace("T", " ").replace("Z", " UTC");
  const models = [...new Set(data.model.values)].filter(Boolean);
  const facts = [
    ["Read", data.span.length ? [...new Set(data.span.map(inTime))].join(" to ") : ""],
    [models.length === 1 ? "Model" : "Models", models.join(", ")],
    ["Results", some(data.sources)],
    ["Left out", data.left_out ? `${plural(data.left_out, "row that is ok", "rows that are ok")}, counted above` : ""],
    ["Read again", data.read_again ? `${plural(data.read_again, "earlier row", "earlier rows")} of the same scans` : ""],
  ];
  for (const [name, text] of facts.filter(([, words]) => words)) {
    target.append(element("dt", "", name), element("dd", "", text));
  }
}

function some(names) {
  const more = names.length - 3;
  return names.slice(0, 3).join(", ") + (more > 0 ? ` and ${plural(more, "more", "more")}` : "");
}
