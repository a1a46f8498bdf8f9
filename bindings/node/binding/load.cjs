// Loads the addon that fits this machine, and says why when none does. Written by hand; binding.cjs is generated.
"use strict";

if (process.env.HOOKWRIGHT_ENGINE === "node:crypto") {
  exports.native = undefined;
  exports.error = undefined;
} else {
  try {
    exports.native = require("./binding.cjs");
    exports.error = undefined;
  } catch (error) {
    exports.native = undefined;
    exports.error = error;
  }
}
