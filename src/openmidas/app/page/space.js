// A photo as a mesh that can be looked at from elsewhere, as far as the picture holds; with three.js.

import { GLTFLoader } from "./vendor/three/GLTFLoader.js";
import { OrbitControls } from "./vendor/three/OrbitControls.js";
import {
  CanvasTexture,
  Color,
  Mesh,
  MeshBasicMaterial,
  PerspectiveCamera,
  SRGBColorSpace,
  Scene,
  Spherical,
  Vector3,
  WebGLRenderTarget,
  WebGLRenderer,
} from "./vendor/three/three.module.js";

/**
 * How far the camera may go, and the distance to the subject, as the server tells them.
 * @typedef {{damage: number, pivot_m: number, furthest_m: Record<string, number>}} Reach
 */
/**
 * share: 1 at the end of the reach, where a share `damage` of the view is wrong. holes: the share of this view that
 * the picture never saw.
 * @typedef {{share: number, holes: number, damage: number}} Standing
 */

const PROBE_PX = 160;
const SETTLED_MS = 150;
const NEVER_SEEN = "#d100c9"; // no photo has it, so that holes show
const EMPTY = "#101316";
/** @type {Record<string, [number, number]>} */
const TURNS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {Record<string, number>} */
const ZOOMS = { "+": -1, "=": -1, "-": 1, _: 1 };

/**
 * Opens the mesh in the element, as the picture shows it until the reach is set; Error where it cannot be drawn.
 * @param {HTMLElement} element @param {ArrayBuffer} glb
 * @param {ImageBitmap | null} bitmap a sharper texture than the file's own
 * @param {(standing: Standing) => void} onMove when the camera has come to rest
 */
export async function openSpace(element, glb, bitmap, onMove) {
  const { scene: model, cameras } = await new GLTFLoader().parseAsync(glb, "");
  const mesh = firstMesh(model);
  if (bitmap) mesh.material = textured(bitmap);
  const renderer = new WebGLRenderer({ antialias: true });
  const scene = new Scene().add(model);
  const { fov, aspect } = /** @type {PerspectiveCamera} */ (cameras[0]);
  const camera = new PerspectiveCamera(fov, aspect, ...clipping(mesh));
  const straight = camera.clone(); // where the camera is, but not turned
  const controls = new OrbitControls(camera, renderer.domElement);
  const { canvas, resize } = canvasIn(element, renderer, aspect, draw);
  const size = new ResizeObserver(resize);
  /** @type {Reach | null} */
  let reach = null;
  let [isFree, resting, frame] = [false, 0, 0];

  function draw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => renderer.render(scene, eye()));
    clearTimeout(resting);
    resting = setTimeout(tell, SETTLED_MS);
  }

  function eye() {
    if (isFree) return camera;
    if (reach) shiftLens(straight, camera, within(camera.position, reach), reach.pivot_m);
    return straight;
  }

  function tell() {
    if (!reach) return;
    const view = eye();
    const share = shareOfReach(view.position, reach);
    onMove({ share, holes: holesIn(renderer, scene, view), damage: reach.damage });
  }

  /** @param {boolean} free whether the camera may leave the reach */
  function setFree(free) {
    if (!reach) return;
    isFree = free;
    scene.background = new Color(free ? NEVER_SEEN : EMPTY);
    limit(controls, reach, free);
    controls.update();
    draw();
  }

  /** @param {Reach} found */
  function setReach(found) {
    reach = found;
    controls.target.set(0, 0, -reach.pivot_m);
    controls.enabled = true;
    setFree(false);
  }

  canvas.addEventListener("keydown", (event) => {
    if (!reach || !steer(event.key, camera, controls, reach)) return;
    event.preventDefault();
    controls.update();
  });
  controls.addEventListener("change", draw);
  controls.enablePan = false;
  controls.enabled = false;
  size.observe(element);

  return {
    setReach,
    setFree,
    close() {
      size.disconnect();
      clearTimeout(resting);
      cancelAnimationFrame(frame);
      controls.dispose();
      mesh.geometry.dispose();
      renderer.dispose();
      renderer.forceContextLoss();
      canvas.remove();
    },
  };
}

/** @param {import("./vendor/three/three.module.js").Object3D} model */
function firstMesh(model) {
  /** @type {Mesh[]} */
  const meshes = [];
  model.traverse((part) => {
    if (part instanceof Mesh) meshes.push(part);
  });
  return meshes[0];
}

/** The distances between which something is drawn. @param {Mesh} mesh @returns {[number, number]} */
function clipping(mesh) {
  mesh.geometry.computeBoundingBox();
  const { min, max } = mesh.geometry.boundingBox ?? { min: { z: -1000 }, max: { z: -1 } };
  return [-max.z / 20, -min.z * 10];
}

/** @param {ImageBitmap} bitmap */
function textured(bitmap) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  const map = new CanvasTexture(canvas);
  map.flipY = false; // glTF counts from the top
  map.colorSpace = SRGBColorSpace;
  return new MeshBasicMaterial({ map });
}

/** @param {HTMLElement} element @param {WebGLRenderer} renderer @param {number} aspect @param {() => void} draw */
function canvasIn(element, renderer, aspect, draw) {
  const canvas = renderer.domElement;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "The photo in 3D");
  canvas.setAttribute("aria-describedby", "space-help");
  element.replaceChildren(canvas);
  return {
    canvas,
    resize() {
      renderer.setPixelRatio(Math.min(2, devicePixelRatio));
      renderer.setSize(element.clientWidth, Math.round(element.clientWidth / aspect), false);
      draw();
    },
  };
}

/** The camera goes round the subject as far as the reach has it; free, wherever something is to be seen.
 * @param {OrbitControls} controls @param {Reach} reach @param {boolean} isFree */
function limit(controls, { pivot_m, furthest_m }, isFree) {
  /** @param {string} way */
  const angle = (way) => (isFree ? 1.3 : Math.asin(Math.min(1, furthest_m[way] / pivot_m)));
  controls.minAzimuthAngle = -angle("left");
  controls.maxAzimuthAngle = angle("right");
  controls.minPolarAngle = Math.PI / 2 - angle("up");
  controls.maxPolarAngle = Math.PI / 2 + angle("down");
  controls.minDistance = isFree ? 0.1 * pivot_m : pivot_m - furthest_m.forward;
  controls.maxDistance = isFree ? 4 * pivot_m : pivot_m + furthest_m.backward;
}

/**
 * As `displaced` of the package, for which the reach holds: the camera does not turn, its lens is shifted so that the
 * plane of the subject stays put, and when it backs away it zooms in.
 * @param {PerspectiveCamera} shifted @param {PerspectiveCamera} camera @param {Vector3} position @param {number} pivot_m
 */
function shiftLens(shifted, camera, position, pivot_m) {
  const { x, y, z } = position;
  const distance = z + pivot_m;
  // the mesh ends in the middle of the outermost pixels, so the frame is a hair smaller
  const halfHeight = 0.997 * Math.tan((camera.fov * Math.PI) / 360) * Math.min(pivot_m, distance);
  const halfWidth = halfHeight * camera.aspect;
  const scale = camera.near / distance;
  shifted.position.copy(position);
  shifted.projectionMatrix.makePerspective(
    (-halfWidth - x) * scale,
    (halfWidth - x) * scale,
    (halfHeight - y) * scale,
    (-halfHeight - y) * scale,
    camera.near,
    camera.far,
  );
  shifted.projectionMatrixInverse.copy(shifted.projectionMatrix).invert();
}

/** Axes add as squares, as in the package's Reach. @param {Vector3} position @param {Reach} reach */
function shareOfReach({ x, y, z }, { furthest_m: furthest }) {
  /** @param {number} way @param {number} end */
  const part = (way, end) => (way === 0 ? 0 : way / end); // a way may be closed: its end is 0
  return Math.hypot(
    part(x, x < 0 ? furthest.left : furthest.right),
    part(y, y < 0 ? furthest.down : furthest.up),
    part(z, z < 0 ? furthest.forward : furthest.backward),
  );
}

/** The controls' limits hold each way by itself, and their corners lie beyond the reach: from there, its end.
 * @param {Vector3} position @param {Reach} reach */
function within(position, reach) {
  return position.clone().divideScalar(Math.max(1, shareOfReach(position, reach)));
}

/**
 * One press of a key goes a twentieth of the way from limit to limit; whether the key means anything.
 * @param {string} key @param {PerspectiveCamera} camera @param {OrbitControls} controls @param {Reach} reach
 */
function steer(key, camera, controls, reach) {
  const place = new Spherical().setFromVector3(camera.position.clone().sub(controls.target));
  if (key === "Home") place.set(reach.pivot_m, Math.PI / 2, 0);
  else if (key in TURNS) {
    place.theta += (TURNS[key][0] * (controls.maxAzimuthAngle - controls.minAzimuthAngle)) / 20;
    place.phi += (TURNS[key][1] * (controls.maxPolarAngle - controls.minPolarAngle)) / 20;
  } else if (key in ZOOMS) {
    place.radius += (ZOOMS[key] * (controls.maxDistance - controls.minDistance)) / 20;
  } else return false;
  camera.position.setFromSpherical(place.makeSafe()).add(controls.target);
  return true;
}

/** Of a small view without background, the share that stays empty.
 * @param {WebGLRenderer} renderer @param {Scene} scene @param {PerspectiveCamera} camera */
function holesIn(renderer, scene, camera) {
  const [width, height] = [PROBE_PX, Math.max(1, Math.round(PROBE_PX / camera.aspect))];
  const target = new WebGLRenderTarget(width, height);
  const pixels = new Uint8Array(4 * width * height);
  const { background } = scene;
  scene.background = null;
  renderer.setClearColor(0, 0);
  renderer.setRenderTarget(target);
  renderer.clear();
  renderer.render(scene, camera);
  renderer.readRenderTargetPixels(target, 0, 0, width, height, pixels);
  renderer.setRenderTarget(null);
  scene.background = background;
  target.dispose();
  return pixels.filter((value, index) => index % 4 === 3 && value === 0).length / (width * height);
}
