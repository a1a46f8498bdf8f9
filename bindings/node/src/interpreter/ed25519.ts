// Which 32 bytes are a public key. The cryptography underneath takes any and then finds no signature valid, or worse.

import { hex } from "./bytes.js";

/** Whether the bytes are a point of the curve, and none of those under which one signature fits many messages. */
export function isPublicKey(bytes: Uint8Array): boolean {
  const unsigned = bytes.slice();
  unsigned[31] = (unsigned[31] as number) & 0x7f;
  return !SMALL_ORDER.includes(hex(unsigned)) && isPoint(BigInt(`0x${hex(unsigned.reverse())}`));
}

const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/** Whether there is an x for this y: whether (y² - 1) / (dy² + 1) is a square (RFC 8032, section 5.1.3). */
function isPoint(y: bigint): boolean {
  const squared = (y * y) % P;
  // The quotient is a square when the product is one.
  const product = ((squared - 1n + P) * (D * squared + 1n)) % P;
  return power(product, (P - 1n) / 2n) <= 1n;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % P) {
    if (rest & 1n) result = (result * square) % P;
  }
  return result;
}

/** The points of small order. Their encodings without the sign bit, those that are not canonical included. */
const SMALL_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];
