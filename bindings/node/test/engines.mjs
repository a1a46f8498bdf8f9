// The three implementations behind one face, so that a test can hold them against each other.

import * as edge from "hookwright/edge";

import { native } from "../dist/esm/native/binding.js";
import { NativeEndpoint } from "../dist/esm/native/endpoint.js";
import { NodeCryptoEndpoint } from "../dist/esm/interpreter/node-endpoint.js";
import { endpointConfig } from "../dist/esm/endpoint.js";
import { bytesOf } from "../dist/esm/body.js";

function synchronous(make) {
  return (secrets, options) => {
    const endpoint = make(endpointConfig(secrets, options));
    return {
      endpoint,
      async verify(body, headers, { now, method = "POST", url = "" }) {
        const bytes = bytesOf(body);
        const vouched = endpoint.verify(bytes, headers, now, `${method} ${url}`);
        const { id, timestamp, scheme, secretIndex } = vouched;
        return { id, timestamp, scheme, secretIndex, envelope: endpoint.parse(bytes, headers) };
      },
      async sign(message) {
        return endpoint.sign(message);
      },
    };
  };
}

export const ENGINES = {
  native: synchronous((config) => new NativeEndpoint(config, native)),
  "node:crypto": synchronous((config) => new NodeCryptoEndpoint(config)),
  edge: (secrets, options) => {
    const webhook = new edge.Webhook(secrets, options);
    return {
      webhook,
      async verify(body, headers, { now, method = "POST", url = "" }) {
        const event = await webhook.verifyAsync(body, headers, { now, method, url });
        const { id, timestamp, scheme, secretIndex } = event;
        return { id, timestamp, scheme, secretIndex };
      },
      async sign({ body, ...message }) {
        return Object.entries(await webhook.signAsync(body, message)).flat();
      },
    };
  },
};
