// Who may talk to an endpoint at all, by address. A signature is worth more; some platforms ask for both.

import { BlockList, isIP } from "node:net";

import { WebhookConfigurationError, WebhookVerificationError } from "./errors.js";

export class AllowList {
  readonly #ranges = new BlockList();

  /** Addresses and ranges: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = "", bits] = range.split("/");
      const family = familyOf(address);
      const most = family === "ipv4" ? 32 : 128;
      const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
      if (family === undefined || prefix < 0 || prefix > most) {
        throw new WebhookConfigurationError("invalid_option", `\`${range}\` is no address and no range of addresses`);
      }
      this.#ranges.addSubnet(address, prefix, family);
    }
  }

  /** Throws unless the address is on the list. */
  check(address: string | undefined): void {
    // A socket that takes both families shows IPv4 addresses inside IPv6 ones.
    const plain = address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "";
    const family = familyOf(plain);
    if (family === undefined || !this.#ranges.check(plain, family)) {
      throw new WebhookVerificationError(
        "source_not_allowed",
        "the request comes from an address that is not on the list",
      );
    }
  }
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6";
}
