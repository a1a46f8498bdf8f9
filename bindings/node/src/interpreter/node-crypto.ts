// The interpreter on node:crypto: synchronous, for Node where no binary fits.

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  sign as signWith,
  verify as verifyWith,
  type KeyObject,
} from "node:crypto";

import { concat, equal } from "./bytes.js";
import { isPublicKey } from "./ed25519.js";
import type { KeyMaker } from "./endpoint.js";
import type { Answer, Steps, Work } from "./lane.js";
import type { Algorithm } from "./scheme.js";
import { notAKey, publicKey, type KeyMaterial } from "./secret.js";

export interface NodeKey {
  readonly algorithm: Algorithm;
  /** The shared key, or the public half. Kept as a `KeyObject`: making one anew per message takes most of the time. */
  readonly verifying: KeyObject;
  readonly signing: KeyObject | undefined;
}

const HASHES: Partial<Record<Algorithm, string>> = {
  "hmac-sha1": "sha1",
  "hmac-sha256": "sha256",
  "hmac-sha512": "sha512",
  "ecdsa-p256-sha256-der": "sha256",
};

export const nodeKeys: KeyMaker<NodeKey> = {
  ready({ algorithm, bytes }: KeyMaterial): NodeKey {
    if (algorithm === "ed25519") return ed25519(bytes);
    if (algorithm === "ecdsa-p256-sha256-der") return p256(bytes);
    const shared = createSecretKey(bytes);
    return { algorithm, verifying: shared, signing: shared };
  },
  checkCanSign(key) {
    if (key.signing === undefined) throw publicKey();
  },
};

/** Does the work of a generator at once. */
export function run<Result>(steps: Steps<NodeKey, Result>): Result {
  let step = steps.next();
  while (!step.done) step = steps.next(done(step.value));
  return step.value;
}

function done(work: Work<NodeKey>): Answer {
  switch (work.do) {
    case "mac": {
      const mac = createHmac(HASHES[work.key.algorithm] as string, work.key.verifying);
      for (const chunk of work.chunks) mac.update(chunk);
      return mac.digest();
    }
    case "sha256": {
      const hash = createHash("sha256");
      for (const chunk of work.chunks) hash.update(chunk);
      return hash.digest();
    }
    case "verify":
      return verifyWith(HASHES[work.key.algorithm] ?? null, concat(work.chunks), work.key.verifying, work.signature);
    case "sign":
      return signWith(HASHES[work.key.algorithm] ?? null, concat(work.chunks), work.key.signing as KeyObject);
  }
}

function ed25519(bytes: Uint8Array): NodeKey {
  const algorithm = "ed25519";
  if (bytes.length !== 32 && bytes.length !== 64) throw notAKey(algorithm);
  const half = bytes.subarray(bytes.length - 32);
  if (!isPublicKey(half)) throw notAKey(algorithm);
  const x = Buffer.from(half).toString("base64url");
  const jwk = { kty: "OKP", crv: "Ed25519", x };
  const verifying = createPublicKey({ key: jwk, format: "jwk" });
  if (bytes.length === 32) return { algorithm, verifying, signing: undefined };
  const d = Buffer.from(bytes.subarray(0, 32)).toString("base64url");
  const signing = createPrivateKey({ key: { ...jwk, d }, format: "jwk" });
  // Signing with halves that do not belong together gives the seed away.
  const derived = createPublicKey(signing).export({ format: "jwk" }).x as string;
  const ofSeed = createPublicKey(createPrivateKey({ key: pkcs8(bytes.subarray(0, 32)), format: "der", type: "pkcs8" }));
  const expected = ofSeed.export({ format: "jwk" }).x as string;
  if (derived !== x || !equal(Buffer.from(expected), Buffer.from(x))) throw notAKey(algorithm);
  return { algorithm, verifying, signing };
}

/** The DER frame around a seed (RFC 8410). */
function pkcs8(seed: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
}

function p256(bytes: Uint8Array): NodeKey {
  const algorithm = "ecdsa-p256-sha256-der";
  const key = Buffer.from(bytes);
  let signing: KeyObject | undefined;
  let verifying: KeyObject | undefined;
  try {
    verifying = createPublicKey({ key, format: "der", type: "spki" });
  } catch {
    try {
      signing = createPrivateKey({ key, format: "der", type: "pkcs8" });
      verifying = createPublicKey(signing);
    } catch {
      throw notAKey(algorithm);
    }
  }
  if (verifying.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw notAKey(algorithm);
  return { algorithm, verifying, signing };
}
