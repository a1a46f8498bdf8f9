// The interpreter on WebCrypto: asynchronous, for every runtime of the web.

import { base64, concat, unhex } from "./bytes.js";
import { isPublicKey } from "./ed25519.js";
import type { KeyMaker } from "./endpoint.js";
import type { Answer, Steps, Work } from "./lane.js";
import type { Algorithm } from "./scheme.js";
import { notAKey, publicKey, type KeyMaterial } from "./secret.js";

export interface WebKey {
  readonly algorithm: Algorithm;
  readonly bytes: Uint8Array;
  /** Imported on first use, once. */
  verifying?: Promise<CryptoKey>;
  signing?: Promise<CryptoKey>;
}

const HMAC_HASHES: Partial<Record<Algorithm, string>> = {
  "hmac-sha1": "SHA-1",
  "hmac-sha256": "SHA-256",
  "hmac-sha512": "SHA-512",
};
const P256 = { name: "ECDSA", namedCurve: "P-256" };
const P256_SHA256 = { name: "ECDSA", hash: "SHA-256" };
const NUMBER_BYTES = 32;

export const webKeys: KeyMaker<WebKey> = {
  ready({ algorithm, bytes }: KeyMaterial): WebKey {
    if (algorithm === "ed25519") {
      const isKey = bytes.length === 32 || bytes.length === 64;
      if (!isKey || !isPublicKey(bytes.subarray(bytes.length - 32))) throw notAKey(algorithm);
    }
    return { algorithm, bytes };
  },
  checkCanSign({ algorithm, bytes }) {
    if (algorithm === "ed25519" && bytes.length === 32) throw publicKey();
  },
};

/** Does the work of a generator, piece after piece. */
export async function run<Result>(steps: Steps<WebKey, Result>): Promise<Result> {
  let step = steps.next();
  while (!step.done) step = steps.next(await done(step.value));
  return step.value;
}

async function done(work: Work<WebKey>): Promise<Answer> {
  const { subtle } = crypto;
  const data = concat(work.chunks) as BufferSource;
  if (work.do === "sha256") return new Uint8Array(await subtle.digest("SHA-256", data));
  const { algorithm } = work.key;
  const isEcdsa = algorithm === "ecdsa-p256-sha256-der";
  const name = isEcdsa ? P256_SHA256 : algorithm === "ed25519" ? "Ed25519" : "HMAC";
  if (work.do === "verify") {
    const signature = isEcdsa ? fromDer(work.signature) : work.signature;
    return signature !== undefined && subtle.verify(name, await verifying(work.key), signature as BufferSource, data);
  }
  const bytes = new Uint8Array(await subtle.sign(name, await signing(work.key), data));
  return isEcdsa ? toDer(bytes) : bytes;
}

function verifying(key: WebKey): Promise<CryptoKey> {
  key.verifying ??= importVerifying(key).catch(() => {
    throw notAKey(key.algorithm);
  });
  return key.verifying;
}

async function importVerifying({ algorithm, bytes }: WebKey): Promise<CryptoKey> {
  const { subtle } = crypto;
  if (algorithm === "ed25519") {
    if (bytes.length === 64) await checkHalves(bytes);
    return subtle.importKey("raw", bytes.slice(-32) as BufferSource, "Ed25519", false, ["verify"]);
  }
  const spki = bytes as BufferSource;
  return subtle.importKey("spki", spki, P256, false, ["verify"]).catch(async () => {
    const key = await subtle.importKey("pkcs8", spki, P256, true, ["sign"]);
    const { kty, crv, x, y } = await subtle.exportKey("jwk", key);
    return subtle.importKey("jwk", { kty, crv, x, y } as JsonWebKey, P256, false, ["verify"]);
  });
}

/** Signing with halves that do not belong together gives the seed away. */
async function checkHalves(bytes: Uint8Array): Promise<void> {
  const { x } = await crypto.subtle.exportKey("jwk", await importSeed(bytes, true));
  if (x?.replaceAll("-", "+").replaceAll("_", "/") !== base64(bytes.slice(-32)).replace("=", ""))
    throw notAKey("ed25519");
}

function importSeed(bytes: Uint8Array, extractable: boolean): Promise<CryptoKey> {
  // The DER frame around a seed (RFC 8410).
  const pkcs8 = concat([unhex("302e020100300506032b657004220420") as Uint8Array, bytes.slice(0, 32)]);
  return crypto.subtle.importKey("pkcs8", pkcs8 as BufferSource, "Ed25519", extractable, ["sign"]);
}

function signing(key: WebKey): Promise<CryptoKey> {
  key.signing ??= importSigning(key).catch(() => {
    throw key.algorithm === "ecdsa-p256-sha256-der" ? publicKey() : notAKey(key.algorithm);
  });
  return key.signing;
}

async function importSigning({ algorithm, bytes }: WebKey): Promise<CryptoKey> {
  const { subtle } = crypto;
  const hash = HMAC_HASHES[algorithm];
  if (hash !== undefined) {
    return subtle.importKey("raw", bytes as BufferSource, { name: "HMAC", hash }, false, ["sign"]);
  }
  if (algorithm === "ed25519") {
    await checkHalves(bytes);
    return importSeed(bytes, false);
  }
  return subtle.importKey("pkcs8", bytes as BufferSource, P256, false, ["sign"]);
}

/** Two numbers in DER as two numbers of fixed width, or `undefined` when it is no canonical DER. */
function fromDer(der: Uint8Array): Uint8Array | undefined {
  const joined = new Uint8Array(NUMBER_BYTES * 2);
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  let at = 2;
  for (const end of [NUMBER_BYTES, NUMBER_BYTES * 2]) {
    const length = der[at + 1] ?? 0;
    const number = der.subarray(at + 2, at + 2 + length);
    if (der[at] !== 0x02 || length === 0 || number.length !== length) return undefined;
    // Not negative, and no zero in front that is not needed to say so.
    if ((number[0] as number) & 0x80 || (number[0] === 0 && length > 1 && !((number[1] as number) & 0x80)))
      return undefined;
    const digits = number[0] === 0 ? number.subarray(1) : number;
    if (digits.length > NUMBER_BYTES) return undefined;
    joined.set(digits, end - digits.length);
    at += 2 + length;
  }
  return at === der.length ? joined : undefined;
}

function toDer(joined: Uint8Array): Uint8Array {
  const numbers = [joined.subarray(0, NUMBER_BYTES), joined.subarray(NUMBER_BYTES)].map((number) => {
    const first = number.findIndex((byte) => byte !== 0);
    const digits = number.subarray(first < 0 ? NUMBER_BYTES - 1 : first);
    const sign = (digits[0] as number) & 0x80 ? [0] : [];
    return Uint8Array.from([0x02, digits.length + sign.length, ...sign, ...digits]);
  });
  const length = numbers.reduce((sum, number) => sum + number.length, 0);
  return concat([Uint8Array.from([0x30, length]), ...numbers]);
}
