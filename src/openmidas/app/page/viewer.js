// The picture and its depth map one over the other: what is shown, and which point is read.

import { coloured, scaleOf } from "./depth.js";

/** @typedef {import("./depth.js").DepthMap} DepthMap */

/**
 * @param {HTMLElement} figure with the view, the slider and the scale of the page
 * @param {(index: number | null) => void} onRead with the pixel that is read
 */
export function createViewer(figure, onRead) {
  const view = /** @type {HTMLElement} */ (figure.querySelector("#view"));
  const divide = /** @type {HTMLInputElement} */ (figure.querySelector("#divide"));
  const point = /** @type {HTMLElement} */ (figure.querySelector("#point"));
  const edge = /** @type {HTMLElement} */ (figure.querySelector("#edge"));
  const [picture, depth, colours] = ["#picture", "#depth", "#colours"].map(
    (selector) => /** @type {HTMLCanvasElement} */ (figure.querySelector(selector)),
  );
  /** @type {DepthMap | null} */
  let map = null;
  let [column, row] = [0, 0];

  const slide = (share = divide.value) => view.style.setProperty("--divide", `${share}%`);
  divide.addEventListener("input", () => slide());
  edge.addEventListener("pointerdown", (event) => edge.setPointerCapture(event.pointerId));
  edge.addEventListener("pointermove", (event) => {
    if (!edge.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation(); // while it slides, nothing is read
    const share = Math.min(1, Math.max(0, placeIn(view, event)[0]));
    divide.value = String(100 * share); // in whole steps
    slide(String(100 * share));
  });

  /** @param {number} newColumn @param {number} newRow */
  function read(newColumn, newRow) {
    if (!map) return;
    column = Math.min(map.width - 1, Math.max(0, newColumn));
    row = Math.min(map.height - 1, Math.max(0, newRow));
    point.hidden = false;
    point.style.left = `${(100 * (column + 0.5)) / map.width}%`;
    point.style.top = `${(100 * (row + 0.5)) / map.height}%`;
    onRead(row * map.width + column);
  }

  /** @param {PointerEvent} event */
  function readAtPointer(event) {
    if (!map) return;
    const [x, y] = placeIn(view, event);
    read(Math.floor(x * map.width), Math.floor(y * map.height));
  }
  view.addEventListener("pointermove", readAtPointer);
  view.addEventListener("pointerdown", readAtPointer);
  view.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way || !map) return;
    event.preventDefault();
    const step = Math.max(1, Math.round((event.shiftKey ? 0.1 : 0.01) * map.width));
    read(column + step * way[0], row + step * way[1]);
  });

  return {
    /** @param {ImageBitmap | null} bitmap @param {DepthMap} newMap @param {string} colormap */
    show(bitmap, newMap, colormap) {
      map = newMap;
      [column, row] = [map.width >> 1, map.height >> 1];
      point.hidden = true;
      draw(depth, coloured(map, colormap));
      draw(picture, bitmap ?? coloured(map, "gray"));
      draw(colours, scaleOf(colormap));
      slide();
      onRead(null);
    },
    /** @param {string} colormap */
    recolour(colormap) {
      if (map) draw(depth, coloured(map, colormap));
      draw(colours, scaleOf(colormap));
    },
  };
}

/** From 0 to 1 across and down. @param {HTMLElement} element @param {PointerEvent} event @returns {[number, number]} */
function placeIn(element, event) {
  const box = element.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {HTMLCanvasElement} canvas @param {ImageData | ImageBitmap} image */
export function draw(canvas, image) {
  [canvas.width, canvas.height] = [image.width, image.height];
  const drawing = canvas.getContext("2d");
  if (image instanceof ImageData) drawing?.putImageData(image, 0, 0);
  else drawing?.drawImage(image, 0, 0);
}
