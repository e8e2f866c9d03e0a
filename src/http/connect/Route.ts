import { Effect } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Response from "effect/http/HttpServerResponse"
import { Addresses } from "../Addresses.ts"
import { Hosts } from "../Hosts.ts"
import { problem } from "../Problem.ts"
import { requestId } from "../RequestId.ts"
import { connectScript } from "./Script.ts"

/**
 * `GET /connect`: the script that connects a machine by a pairing code. It is plain text, so that a browser
 * shows it to whoever wants to read it first; and it looks at `Host` as pages do. What a request says besides
 * changes nothing in it.
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const hosts = yield* Hosts
    const { publicUrl } = yield* Addresses
    const script = Response.text(connectScript(publicUrl), { contentType: "text/plain; charset=utf-8" })
    yield* router.add("GET", "/connect", (request) =>
      Effect.match(hosts.check(request), {
        onFailure: (failure) => problem(failure, requestId(request)),
        onSuccess: () => script
      })
    )
  })
)
