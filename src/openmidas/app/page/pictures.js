// From what people drop, paste or take to pictures that can be shown and sent.

const SIDE_PX = 960; // of the copy that is shown and asked about; downloads and makings use the file itself
const SMALL_BYTES = 1_500_000;

/**
 * The file, the picture in it where this browser knows the format, and a copy small enough to send at once.
 * @typedef {{file: File, bitmap: ImageBitmap | null, small: Blob}} Picture
 */

/** @param {File} file @returns {Promise<Picture>} */
export async function openPicture(file) {
  const whole = await createImageBitmap(file).catch(() => null);
  if (!whole) return { file, bitmap: null, small: file };
  const scale = Math.min(1, SIDE_PX / Math.max(whole.width, whole.height));
  const shown = await onPaper(whole, scale);
  const isSmall = scale === 1 && file.size < SMALL_BYTES;
  const small = isSmall ? file : await shown.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  return { file, bitmap: shown.transferToImageBitmap(), small };
}

/** Shrunk, and on white where it is transparent, as the server sees it. @param {ImageBitmap} whole @param {number} scale */
async function onPaper(whole, scale) {
  const [width, height] = [whole.width, whole.height].map((side) => Math.max(1, Math.round(side * scale)));
  const bitmap = await createImageBitmap(whole, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  whole.close();
  const canvas = new OffscreenCanvas(width, height);
  const drawing = context(canvas);
  drawing.fillStyle = "white";
  drawing.fillRect(0, 0, width, height);
  drawing.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

/** @param {OffscreenCanvas} canvas */
function context(canvas) {
  const drawing = canvas.getContext("2d");
  if (!drawing) throw new Error("no 2D drawing here");
  return drawing;
}

/**
 * One photo from the camera, or null when the dialog is closed without.
 * @param {HTMLDialogElement} dialog with a video and the buttons camera-take and camera-close
 * @returns {Promise<File | null>}
 */
export async function shootPhoto(dialog) {
  const video = /** @type {HTMLVideoElement} */ (dialog.querySelector("video"));
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: 1920 } });
  video.srcObject = stream;
  dialog.showModal();
  try {
    return await new Promise((resolve) => {
      onClick(dialog, "#camera-take", () => resolve(frameOf(video)));
      onClick(dialog, "#camera-close", () => resolve(null));
      dialog.onclose = () => resolve(null);
    });
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    dialog.onclose = null;
    dialog.close();
  }
}

/** @param {HTMLElement} parent @param {string} selector @param {() => void} action */
function onClick(parent, selector, action) {
  /** @type {HTMLElement} */ (parent.querySelector(selector)).onclick = action;
}

/** @param {HTMLVideoElement} video */
async function frameOf(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  context(canvas).drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  return new File([blob], "photo.jpg", { type: blob.type });
}
