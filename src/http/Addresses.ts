import { Context } from "effect"

/** Where the gateway is found, known once its server listens. */
export class Addresses extends Context.Service<
  Addresses,
  {
    /** What setup packets and documents name: an origin and perhaps a path, without a trailing slash. */
    readonly publicUrl: string
    /** Where this process listens, as `http://host:port`. */
    readonly listenOrigin: string
  }
>()("tasker-codex-api/http/Addresses") {}
