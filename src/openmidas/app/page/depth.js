// A depth map in the browser: its numbers, what they mean, and its colours.

import { COLORMAPS } from "./colormaps.js";

/**
 * nearness: growing towards the viewer (inverse depth), top row first, NaN where there is no value. sample: of
 * nearness, sorted. low, high: its range.
 * @typedef {object} DepthMap
 * @property {number} width @property {number} height
 * @property {string} ambiguity
 * @property {Float32Array} nearness
 * @property {Float32Array} sample
 * @property {number} low @property {number} high
 */

/** Metres of the nearest and the farthest spot, as stated by who looks. @typedef {{near: number, far: number}} Planes */

const SAMPLE = 20_000;
const SHOWN = [0.005, 0.995]; // as the heatmaps of the package have it
const NO_VALUE = packed(90, 105, 120);

/**
 * @param {ArrayBuffer} buffer a PFM file: one float a pixel, the bottom row first
 * @param {string} quantity @param {string} ambiguity @returns {DepthMap}
 */
export function readPfm(buffer, quantity, ambiguity) {
  const head = new TextDecoder("latin1").decode(buffer.slice(0, 128));
  const match = /^Pf\s+(\d+)\s+(\d+)\s+(-?[\d.eE+]+)\s/.exec(head);
  if (!match) throw new Error("not a PFM file of one channel");
  const [width, height] = [Number(match[1]), Number(match[2])];
  const numbers = new DataView(buffer, match[0].length);
  const isLittle = Number(match[3]) < 0;
  const nearness = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const value = numbers.getFloat32(4 * ((height - 1 - row) * width + column), isLittle);
      nearness[row * width + column] = quantity === "depth" ? 1 / value : value;
    }
  }
  return { width, height, ambiguity, nearness, ...spread(nearness) };
}

/** @param {Float32Array} nearness */
function spread(nearness) {
  const step = Math.max(1, Math.floor(nearness.length / SAMPLE));
  const sample = nearness.filter((value, number) => number % step === 0 && Number.isFinite(value)).sort();
  let [low, high] = [Infinity, -Infinity];
  for (const value of nearness) {
    if (value < low) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return { sample, low, high };
}

/** @param {Float32Array} sample sorted @param {number} share from 0 to 1 */
const quantile = (sample, share) => sample[Math.round(share * (sample.length - 1))];

/** Which share of the picture is farther away. @param {Float32Array} sample @param {number} value */
function shareBelow(sample, value) {
  let [start, end] = [0, sample.length];
  while (start < end) {
    const middle = (start + end) >> 1;
    if (sample[middle] < value) start = middle + 1;
    else end = middle;
  }
  return sample.length ? start / sample.length : 0;
}

/**
 * Metres where the numbers are metric or near and far were stated; else null.
 * @param {DepthMap} map @param {number} nearness @param {Planes | null} planes
 */
export function metres(map, nearness, planes) {
  if (map.ambiguity === "metric") return 1 / nearness;
  if (!planes || !(map.high > map.low)) return null;
  const share = (nearness - map.low) / (map.high - map.low);
  return 1 / (1 / planes.far + (1 / planes.near - 1 / planes.far) * share);
}

/**
 * What the number at a pixel is, in a sentence.
 * @param {DepthMap} map @param {number} index @param {Planes | null} planes
 */
export function meaning(map, index, planes) {
  const nearness = map.nearness[index];
  if (Number.isNaN(nearness)) return "No value here.";
  const rank = `nearer than ${Math.round(100 * shareBelow(map.sample, nearness))} % of the picture`;
  const distance = metres(map, nearness, planes);
  if (distance === null) {
    return `Inverse depth ${nearness.toPrecision(3)}, without a unit: larger is nearer. It is ${rank}.`;
  }
  const origin = map.ambiguity === "metric" ? "as the model has it" : `by your ${planes?.near} m and ${planes?.far} m`;
  return `${distance === Infinity ? "Endlessly far" : `${distance.toPrecision(3)} m`} (${origin}); ${rank}.`;
}

/** From 0 at the farthest spot to 1 at the nearest. @param {DepthMap} map @param {number} index */
export function shareOfNearness(map, index) {
  return map.high > map.low ? (map.nearness[index] - map.low) / (map.high - map.low) : 0.5;
}

/** @param {DepthMap} map @param {string} colormap @returns {ImageData} */
export function coloured(map, colormap) {
  const table = coloursOf(colormap);
  const [low, high] = SHOWN.map((share) => quantile(map.sample, share));
  const scale = high > low ? 255 / (high - low) : 0;
  const image = new ImageData(map.width, map.height);
  const pixels = new Uint32Array(image.data.buffer);
  map.nearness.forEach((value, index) => {
    const shade = scale ? Math.min(255, Math.max(0, Math.round((value - low) * scale))) : 127;
    pixels[index] = Number.isNaN(value) ? NO_VALUE : table[shade];
  });
  return image;
}

/** The scale from far to near. @param {string} colormap */
export const scaleOf = (colormap) => new ImageData(new Uint8ClampedArray(coloursOf(colormap).buffer), 256, 1);

/** The 256 colours as canvases hold them. @param {string} colormap */
function coloursOf(colormap) {
  const rgb = Uint8Array.from(atob(COLORMAPS[colormap]), (letter) => letter.charCodeAt(0));
  return new Uint32Array(256).map((_, shade) => packed(rgb[3 * shade], rgb[3 * shade + 1], rgb[3 * shade + 2]));
}

/** @param {number} red @param {number} green @param {number} blue */
function packed(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
