// What can be made of a photo and its depth, and in which formats depth can be had: one table each.

/** @typedef {import("./api.js").Query} Query */

/**
 * ending: of the file's name. query: besides model, near and far. needs: what of the page's state goes along.
 * @typedef {object} Product
 * @property {string} label @property {string} route @property {string} ending
 * @property {Query} [query] @property {string} [accept] @property {"focus" | "colormap"} [needs]
 */

const CLIP = { side: 480, fps: 20 }; // so that a server without a graphics card has it in seconds

/** @type {Product[]} */
export const MAKINGS = [
  { label: "Clip, circling", route: "v1/clip", ending: "circle.mp4", query: { path: "circle", ...CLIP } },
  { label: "Clip, dolly zoom", route: "v1/clip", ending: "dolly-zoom.mp4", query: { path: "dolly-zoom", ...CLIP } },
  { label: "Wiggle, GIF", route: "v1/clip", ending: "wiggle.gif", query: { path: "wiggle", side: CLIP.side, as: "gif" } },
  { label: "Stereo pair", route: "v1/stereo", ending: "stereo.png", query: { layout: "side-by-side" } },
  { label: "Red-cyan anaglyph", route: "v1/stereo", ending: "anaglyph.png", query: { layout: "anaglyph" } },
  { label: "Normal map", route: "v1/effect/normals", ending: "normals.png" },
  { label: "Fog", route: "v1/effect/fog", ending: "fog.png" },
  { label: "Depth of field, sharp at the point", route: "v1/effect/blur", ending: "blur.png", needs: "focus" },
  { label: "Light from the left", route: "v1/effect/relight", ending: "relit.png", query: { direction: "left" } },
];

/** @type {Product[]} */
export const DOWNLOADS = [
  { label: "PNG, 16 bit", route: "v1/depth", ending: "depth.png", accept: "image/png" },
  { label: "PFM, floats", route: "v1/depth", ending: "depth.pfm", accept: "image/x-portable-floatmap" },
  { label: "NPZ, floats and meaning", route: "v1/depth", ending: "depth.npz", accept: "application/x-npz" },
  { label: "Heatmap", route: "v1/depth", ending: "heatmap.jpg", query: { as: "heatmap" }, needs: "colormap" },
  { label: "Statistics, JSON", route: "v1/depth", ending: "depth.json", accept: "application/json" },
  { label: "GLB, 3D", route: "v1/scene", ending: "scene.glb", query: { as: "glb" } },
];

/** What a film can become; the server says how it is called. @type {{label: string, query: Query}[]} */
export const FILM_MAKINGS = [
  { label: "a film of its depth", query: {} },
  { label: "the film beside its depth", query: { side_by_side: "true" } },
  { label: "16-bit PNGs in a ZIP", query: { as: "png16" } },
];

/** The name of a product of a file. @param {string} name @param {string} ending */
export const productName = (name, ending) => `${name.replace(/\.[^.]*$/, "")}_${ending}`;

/** Hands a file to the browser's downloads. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = linkTo(blob, name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * A result with its name, the thing itself, what was assumed, and a link that saves it. `forget` removes it.
 * @param {Blob} blob @param {string} name @param {string} label @param {string} [assumed] @returns {HTMLElement}
 */
export function resultOf(blob, name, label, assumed = "") {
  const result = document.createElement("div");
  result.className = "result";
  const title = document.createElement("h4");
  title.textContent = label;
  const link = linkTo(blob, name);
  link.className = "button";
  link.textContent = `Save ${name}`;
  const words = document.createElement("p");
  words.className = "soft";
  words.textContent = assumed;
  const [kind] = blob.type.split("/");
  const seen = kind === "image" || kind === "video" ? [shown(kind, link.href, label)] : [];
  result.append(title, ...seen, words, link);
  return result;
}

/** Frees the memory of results that go. @param {HTMLElement} parent */
export function forget(parent) {
  for (const link of parent.querySelectorAll("a")) URL.revokeObjectURL(link.href);
  parent.replaceChildren();
}

/** @param {Blob} blob @param {string} name */
function linkTo(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  return link;
}

/** @param {"image" | "video"} kind @param {string} address @param {string} label */
function shown(kind, address, label) {
  if (kind === "image") {
    const image = document.createElement("img");
    image.alt = label;
    image.src = address;
    return image;
  }
  const video = document.createElement("video");
  Object.assign(video, { controls: true, loop: true, muted: true, playsInline: true, src: address });
  video.setAttribute("aria-label", label);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.autoplay = true;
  return video;
}
