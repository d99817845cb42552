// Wires the page: what is opened, asked, shown, made and kept.

import { Problem, fetchModels, post, useToken } from "./api.js";
import { COLORMAPS } from "./colormaps.js";
import { meaning, readPfm, shareOfNearness } from "./depth.js";
import { createFilm } from "./film.js";
import { DOWNLOADS, MAKINGS, forget, productName, resultOf, save } from "./makers.js";
import { openPicture, shootPhoto } from "./pictures.js";
import { createViewer } from "./viewer.js";

/** @typedef {import("./makers.js").Product} Product */
/** @typedef {import("./depth.js").DepthMap} DepthMap */
/** @typedef {import("./pictures.js").Picture & {map: DepthMap, model: string}} Photo */

const MESH_SIDE_PX = 384;
const THUMBNAIL_PX = 120;
const MOST_VISITED = 24;

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
function part(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

const entry = part("entry", HTMLElement);
const file = part("file", HTMLInputElement);
const model = part("model", HTMLSelectElement);
const colormap = part("colormap", HTMLSelectElement);
const near = part("near", HTMLInputElement);
const far = part("far", HTMLInputElement);
const free = part("free", HTMLInputElement);
const made = part("made", HTMLElement);
const visited = part("visited", HTMLUListElement);

/** @type {Photo | null} */
let current = null;
/** @type {number | null} */
let pixel = null;
/** @type {Awaited<ReturnType<typeof import("./space.js").openSpace>> | null} */
let space = null;
/** Of asking what the server has. */
let starting = new AbortController();
/** What goes on, by where its result will be. @type {Map<string, {words: string, stop: AbortController}>} */
const going = new Map();

const viewer = createViewer(part("figure", HTMLElement), (index) => {
  pixel = index;
  tellReading();
});
const film = createFilm(part, say, fail);

// ------------------------------------------------------------------------------------------ words to the reader

/** @param {string} words */
function say(words) {
  part("problem", HTMLElement).textContent = "";
  part("status", HTMLElement).textContent = words;
}

/** @param {unknown} error */
function fail(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  part("status", HTMLElement).textContent = "";
  part("problem", HTMLElement).textContent = error instanceof Error ? error.message : String(error);
  if (error instanceof Problem && error.status === 401) askForToken();
}

function askForToken() {
  part("login", HTMLFormElement).hidden = false;
  part("token", HTMLInputElement).focus();
}

function tellReading() {
  if (!current) return;
  const start = current.bitmap
    ? "Point at the picture to read its depth."
    : "This browser cannot show such a file: to the left is its depth in gray. Point at it to read it.";
  part("reading", HTMLElement).textContent = pixel === null ? start : meaning(current.map, pixel, planes());
}

// ------------------------------------------------------------------------------------------------ what is stated

/** The stated metres; null while they are not both there, make no sense, or the model has its own. */
function planes() {
  if (current?.map.ambiguity === "metric") return null;
  const [nearest, farthest] = [Number(near.value), Number(far.value)];
  return nearest > 0 && farthest > nearest ? { near: nearest, far: farthest } : null;
}

/** @returns {import("./api.js").Query} */
function stated() {
  return { model: model.value, ...planes() };
}

function checkPlanes() {
  const isWrong = near.value !== "" && far.value !== "" && !planes();
  far.setCustomValidity(isWrong ? "The farthest has to be farther than the nearest." : "");
  if (isWrong) far.reportValidity();
  giveUp("space");
  closeSpace();
}

// ------------------------------------------------------------------------------------------------------- opening

/** @param {File} opened */
async function open(opened) {
  if (opened.type.startsWith("video/")) {
    entry.classList.add("small");
    film.offer(opened);
  } else await attempt("photo", `Finding the depth of ${opened.name}.`, async (signal) => {
    leavePhoto();
    const picture = await openPicture(opened);
    const photo = await withDepth(picture, signal);
    show(photo);
    remember(photo);
  });
}

/** @param {import("./pictures.js").Picture} picture @param {AbortSignal} signal @returns {Promise<Photo>} */
async function withDepth(picture, signal) {
  const accept = "image/x-portable-floatmap";
  const answer = await post("v1/depth", picture.small, { model: model.value }, { accept, signal });
  const [quantity, ambiguity] = ["Quantity", "Ambiguity"].map((word) => answer.headers.get(`Depth-${word}`) ?? "");
  const map = readPfm(await answer.arrayBuffer(), quantity, ambiguity);
  return { ...picture, map, model: model.value };
}

/** Says what goes on, gives up what went on before in the same place, and tells how it ended.
 * @param {string} place @param {string} words @param {(signal: AbortSignal) => Promise<unknown>} task */
async function attempt(place, words, task) {
  giveUp(place);
  const mine = { words, stop: new AbortController() };
  going.set(place, mine);
  const started = performance.now();
  say(words);
  part("busy", HTMLElement).hidden = false;
  try {
    await task(mine.stop.signal);
    say(`Done in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  } catch (error) {
    fail(error);
  } finally {
    if (going.get(place) === mine) going.delete(place);
    tellGoing(mine.stop.signal.aborted);
  }
}

/** @param {boolean} isGivenUp whether nobody wants to know how the last one ended */
function tellGoing(isGivenUp) {
  const [last] = [...going.values()].slice(-1);
  part("busy", HTMLElement).hidden = !last;
  if (last || isGivenUp) part("status", HTMLElement).textContent = last?.words ?? "";
}

/** @param {string} place */
const giveUp = (place) => going.get(place)?.stop.abort();

/** Gives up what would be shown below the photo. */
function leavePhoto() {
  giveUp("made");
  giveUp("space");
}

/** @param {Photo} photo */
function show(photo) {
  leavePhoto();
  current = photo;
  entry.classList.add("small");
  part("photo", HTMLElement).hidden = false;
  part("photo-name", HTMLElement).textContent = photo.file.name;
  document.documentElement.style.setProperty("--aspect", String(photo.map.width / photo.map.height));
  part("planes", HTMLFieldSetElement).hidden = photo.map.ambiguity === "metric";
  viewer.show(photo.bitmap, photo.map, colormap.value);
  forget(made);
  closeSpace();
  for (const button of visited.querySelectorAll("button")) button.removeAttribute("aria-current");
}

// -------------------------------------------------------------------------------------------------------- making

/** Of the current photo; with the name of the file it makes. @param {Product} product @param {AbortSignal} signal */
async function fetchProduct(product, signal) {
  if (!current) throw new Error("Open a photo first.");
  const name = productName(current.file.name, product.ending);
  /** @type {import("./api.js").Query} */
  const query = { ...stated(), ...product.query };
  if (product.needs === "colormap") query.colormap = colormap.value;
  if (product.needs === "focus") query.focus = shareOfNearness(current.map, pixel ?? middle(current.map)).toFixed(3);
  const answer = await post(product.route, current.file, query, { accept: product.accept, signal });
  return { name, blob: await answer.blob(), assumed: answer.headers.get("Scene-Assumed") ?? "" };
}

/** @param {DepthMap} map */
const middle = ({ width, height }) => (height >> 1) * width + (width >> 1);

/** @param {Product} product */
function makeAndShow(product) {
  return attempt("made", `Making: ${product.label}.`, async (signal) => {
    const { name, blob, assumed } = await fetchProduct(product, signal);
    forget(made);
    made.append(resultOf(blob, name, product.label, assumed));
  });
}

/** @param {Product} product */
function download(product) {
  return attempt(product.ending, `Preparing: ${product.label}.`, async (signal) => {
    const { name, blob } = await fetchProduct(product, signal);
    save(blob, name);
  });
}

/** @param {string} id @param {Product[]} products @param {(product: Product) => void} action */
function addButtons(id, products, action) {
  for (const product of products) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = product.label;
    button.addEventListener("click", () => action(product));
    part(id, HTMLElement).append(button);
  }
}

// ------------------------------------------------------------------------------------------------------------ 3D

function turn() {
  return attempt("space", "Building the scene.", async (signal) => {
    if (!current) return;
    const { bitmap, small } = current;
    const query = { ...stated(), side: MESH_SIDE_PX };
    const asking = post("v1/scene", small, { ...query, as: "glb" }, { signal });
    const reaching = post("v1/scene", small, { ...query, as: "reach" }, { signal }).then((answer) => answer.json());
    reaching.catch(() => {}); // told below, unless the mesh fails first
    const [glb, { openSpace }] = [await (await asking).arrayBuffer(), await import("./space.js")];
    signal.throwIfAborted();
    closeSpace();
    const place = part("space", HTMLElement);
    place.hidden = false;
    const opened = await openSpace(place, glb, bitmap, tellStanding).catch((error) => {
      place.hidden = true;
      throw new Error(`This browser does not draw in 3D (${error.message}): download the GLB instead.`);
    });
    if (signal.aborted) opened.close();
    signal.throwIfAborted();
    space = opened;
    say("Finding out how far the camera may go.");
    space.setReach(await reaching);
    for (const id of ["free-label", "space-help"]) part(id, HTMLElement).hidden = false;
    part("space-assumed", HTMLElement).textContent = (await reaching).words.join(" ");
  });
}

/** @param {import("./space.js").Standing} standing */
function tellStanding({ share, holes, damage }) {
  const isTooFar = share > 1.01;
  const way = isTooFar ? `${share.toFixed(1)} times as far as` : `at ${Math.round(100 * share)} % of the way`;
  const warning = ` Too far: more than ${Math.round(100 * damage)} % is wrong, in holes (violet) and stretched shapes.`;
  part("space-reading", HTMLElement).textContent =
    `The camera is ${way} it may go; holes cover ${Math.round(100 * holes)} % of this view.` +
    (isTooFar ? warning : "");
}

function closeSpace() {
  space?.close();
  space = null;
  free.checked = false;
  for (const id of ["space", "free-label", "space-help"]) part(id, HTMLElement).hidden = true;
  for (const id of ["space-reading", "space-assumed"]) part(id, HTMLElement).textContent = "";
}

// ---------------------------------------------------------------------------------------------------- this visit

/** @param {Photo} photo */
function remember(photo) {
  const button = document.createElement("button");
  button.type = "button";
  if (photo.bitmap) button.append(thumbnail(photo.bitmap));
  button.append(photo.file.name);
  button.addEventListener("click", () => {
    model.value = photo.model;
    show(photo);
    button.setAttribute("aria-current", "true");
  });
  button.setAttribute("aria-current", "true");
  const item = document.createElement("li");
  item.append(button);
  visited.prepend(item);
  visited.children[MOST_VISITED]?.remove();
  part("visit", HTMLElement).hidden = false;
}

/** @param {ImageBitmap} bitmap */
function thumbnail(bitmap) {
  const canvas = document.createElement("canvas");
  const scale = THUMBNAIL_PX / Math.max(bitmap.width, bitmap.height);
  [canvas.width, canvas.height] = [Math.max(1, bitmap.width * scale), Math.max(1, bitmap.height * scale)];
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// -------------------------------------------------------------------------------------------------------- events

async function shoot() {
  if (!navigator.mediaDevices) {
    // without a secure connection there is no camera for pages; phones still take a photo for a file input
    file.setAttribute("capture", "environment");
    file.click();
    file.removeAttribute("capture");
    return;
  }
  const photo = await shootPhoto(part("camera", HTMLDialogElement)).catch(() => {
    throw new Error("No camera could be opened: allow it for this page, or choose a file.");
  });
  if (photo) await open(photo);
}

/** @param {string} id @param {string[]} names */
function offer(id, names) {
  part(id, HTMLSelectElement).replaceChildren(...names.map((name) => new Option(name, name)));
}

/** What the server says of an earlier token no longer counts. */
async function start() {
  starting.abort();
  starting = new AbortController();
  const models = await fetchModels(starting.signal);
  for (const id of ["model", "film-model"]) offer(id, models.map(({ name }) => name));
  part("login", HTMLFormElement).hidden = true;
  part("problem", HTMLElement).textContent = "";
}

file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  if (chosen) open(chosen);
  file.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  entry.classList.add("over");
});
document.addEventListener("dragleave", () => entry.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  entry.classList.remove("over");
  const [dropped] = event.dataTransfer?.files ?? [];
  if (dropped) open(dropped);
});
document.addEventListener("paste", (event) => {
  const [pasted] = event.clipboardData?.files ?? [];
  if (pasted) open(pasted);
});
part("shoot", HTMLButtonElement).addEventListener("click", () => shoot().catch(fail));
part("login", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(part("token", HTMLInputElement).value);
  start().catch(fail);
});
model.addEventListener("change", () => {
  const photo = current;
  if (!photo) return;
  attempt("photo", `Asking ${model.value}.`, async (signal) => {
    const again = await withDepth(photo, signal);
    show(again);
    remember(again);
  });
});
colormap.addEventListener("change", () => viewer.recolour(colormap.value));
for (const input of [near, far]) {
  input.addEventListener("input", tellReading);
  input.addEventListener("change", checkPlanes);
}
part("settings", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
part("turn", HTMLButtonElement).addEventListener("click", turn);
free.addEventListener("change", () => space?.setFree(free.checked));

for (const id of ["colormap", "film-colormap"]) offer(id, Object.keys(COLORMAPS));
addButtons("makers", MAKINGS, makeAndShow);
addButtons("downloads", DOWNLOADS, download);
start().catch(fail);
