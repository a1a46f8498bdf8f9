// A receiver as the platforms' Node samples mean it: HMAC-SHA256 of the raw body, hex, compared in constant time.
//
// Reads a JSON array of cases from standard input and prints one verdict per line.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

function isSigned({ header, headers, secret, body }) {
  const raw = Buffer.from(body, "base64");
  const computed = createHmac("sha256", secret).update(raw).digest("hex");
  const [claimed, wanted] = [headers[header] ?? "", computed].map((hex) => Buffer.from(hex, "latin1"));
  return claimed.length === wanted.length && timingSafeEqual(claimed, wanted);
}

for (const received of JSON.parse(readFileSync(0, "utf8"))) {
  console.log(isSigned(received) ? "accepted" : "refused");
}
