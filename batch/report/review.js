// One scan after the other, large, answered with a key.

/** Wires the dialog; `changed(place)` is called after each answer. */
function reviewer(changed) {
  const dialog = byId("review");
  const stage = byId("stage");
  const done = [];
  let queue = [];
  let at = 0;

  const place = () => queue[at];

  function open(places, start) {
    queue = places;
    at = Math.max(0, places.indexOf(start));
    show();
    dialog.showModal();
    stage.focus();
  }

  function show() {
    const now = place();
    const status = statusOf(now);
    byId("review-place").textContent = `${grouped(at + 1)} of ${grouped(queue.length)}`;
    byId("review-file").textContent = data.file[now];
    byId("review-file").title = data.file[now];
    byId("review-scan").replaceChildren(scanPicture(now, true));
    showViews(now);
    showTop(now);
    const said = byId("review-said");
    said.className = `said ${toneOf(status)}`;
    const digit = data.prediction[now];
    said.replaceChildren(
      element("strong", "", digit === null ? "–" : String(digit)),
      element("span", "", [status, reasonWords(now), shareWords(data.confidence[now])].filter(Boolean).join(", ")),
    );
    showAnswer(now);
  }

  function showViews(now) {
    byId("review-views").replaceChildren(...(pictures.views[now] ?? []).map((view, number) => {
      const figure = element("figure");
      const image = element("img");
      image.src = `data:image/png;base64,${view}`;
      image.alt = "";
      figure.append(image, element("figcaption", "", number ? "and around it" : "the model sees"));
      return figure;
    }));
  }

  function showTop(now) {
    byId("review-top").replaceChildren(...(pictures.top[now] ?? []).map(([digit, share]) => {
      const item = element("li");
      item.append(element("b", "", String(digit)), track(share), element("span", "share", shareWords(share)));
      return item;
    }));
  }

  function showAnswer(now) {
    const answer = answerOf(now);
    const words = { null: "", none: "You say: not a digit" }[answer] ?? `You say: ${answer}`;
    byId("review-answer").textContent = words;
    for (const key of byId("keys").children) key.ariaPressed = String(key.textContent === answer);
    byId("none").ariaPressed = String(answer === "none");
    byId("undo").disabled = !done.length;
    byId("previous").disabled = at === 0;
    byId("following").disabled = at === queue.length - 1;
  }

  function answer(corrected) {
    const now = place();
    done.push({ place: now, before: decide(now, corrected) });
    changed(now);
    const next = following();
    const words = corrected === "none" ? "not a digit" : corrected;
    if (next === -1) {
      showAnswer(now);
      byId("review-place").textContent = "All of these are reviewed";
      say(`${words}. All of these are reviewed.`);
    } else {
      at = next;
      show();
      say(`${words}. Next: ${described()}`);
    }
    stage.focus();
  }

  /** The next scan without an answer, from here on and then from the start. */
  function following() {
    for (let step = 1; step <= queue.length; step += 1) {
      const wanted = (at + step) % queue.length;
      if (answerOf(queue[wanted]) === null) return wanted;
    }
    return -1;
  }

  function undo() {
    const last = done.pop();
    if (!last) return;
    decide(last.place, last.before);
    changed(last.place);
    if (queue.includes(last.place)) at = queue.indexOf(last.place);
    show();
    say(`Undone: ${described()}`);
    stage.focus();
  }

  function move(step) {
    const wanted = at + step;
    if (wanted < 0 || wanted >= queue.length) return;
    at = wanted;
    show();
    say(described());
  }

  function described() {
    const now = place();
    const said = data.prediction[now] === null ? "no digit" : `read as ${data.prediction[now]}`;
    return `${data.file[now]}, ${said}, ${reasonWords(now)} ${shareWords(data.confidence[now])}`;
  }

  function say(words) {
    byId("spoken").textContent = words;
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target.matches("button:focus-visible");
    const act = {
      Enter: onButton ? null : () => answer(saidOf(place())),
      x: () => answer("none"),
      u: undo,
      ArrowRight: () => move(1), ArrowDown: () => move(1),
      ArrowLeft: () => move(-1), ArrowUp: () => move(-1),
    }[event.key] ?? (/^[0-9]$/.test(event.key) ? () => answer(event.key) : null);
    if (!act || (event.repeat && !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    act();
  }

  for (let digit = 0; digit < 10; digit += 1) {
    const key = element("button", "", String(digit));
    key.type = "button";
    key.addEventListener("click", () => answer(String(digit)));
    byId("keys").append(key);
  }
  dialog.addEventListener("keydown", press);
  byId("accept").addEventListener("click", () => answer(saidOf(place())));
  byId("none").addEventListener("click", () => answer("none"));
  byId("undo").addEventListener("click", undo);
  byId("previous").addEventListener("click", () => move(-1));
  byId("following").addEventListener("click", () => move(1));
  byId("close").addEventListener("click", () => dialog.close());
  return { open };
}
