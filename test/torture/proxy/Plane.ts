import { request as httpRequest } from "node:http"
import { request as httpsRequest } from "node:https"
import { Context, Effect, Layer } from "effect"

/** A request as it came, to be passed on. */
export interface Outgoing {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

export interface PlaneReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const sentOn = ["accept", "content-type", "user-agent", "x-api-key"]
const returned = [
  "allow",
  "content-type",
  "location",
  "retry-after",
  "x-ratelimit-remaining",
  "x-ratelimit-reset"
]

const longest = 60_000

/** The Plane behind the proxy. */
export class Plane extends Context.Service<
  Plane,
  {
    /** Passes a request on, on a connection of its own. Fails if Plane breaks it off or takes a minute. */
    readonly ask: (outgoing: Outgoing) => Effect.Effect<PlaneReply, Error>
  }
>()("torture/proxy/Plane") {
  static readonly layer = (url: URL) => Layer.succeed(Plane, { ask: (outgoing) => ask(url, outgoing) })
}

const ask = (url: URL, { body, headers, method, path }: Outgoing) =>
  Effect.callback<PlaneReply, Error>((resume) => {
    const fail = (error: Error) => resume(Effect.fail(error))
    const start = url.protocol === "https:" ? httpsRequest : httpRequest
    const outgoing = start(
      new URL(path, url),
      {
        method,
        agent: false,
        timeout: longest,
        headers: {
          ...Object.fromEntries(sentOn.flatMap((name) => (headers[name] ? [[name, headers[name]]] : []))),
          "accept-encoding": "identity",
          "content-length": String(Buffer.byteLength(body))
        }
      },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", fail)
        response.on("end", () =>
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              headers: Object.fromEntries(
                returned.flatMap((name) => {
                  const value = response.headers[name]
                  return typeof value === "string" ? [[name, value]] : []
                })
              ),
              body: Buffer.concat(chunks).toString("utf8")
            })
          )
        )
      }
    )
    outgoing.on("timeout", () => outgoing.destroy(new Error("no response in a minute")))
    outgoing.on("error", fail)
    outgoing.end(body)
  })
