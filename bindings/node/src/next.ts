// hookwright for Next.js route handlers, in app/…/route.ts:
//
//   export const POST = hookwright({ secret, profile: "filedgr" }).on("vault.created", handle);
//
// For the Pages Router take `hookwright/node`, and switch the body parser off: export const config = { api: {
// bodyParser: false } }.

export { hookwright, type WebReceiver, type WebRequest } from "./web.js";
