import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Context, Effect, Layer, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpClient, type HttpClientError, HttpClientRequest } from "effect/http"
import { type Access, access, urlFlag } from "./access.ts"
import { CommandFailed, GatewayUnreachable } from "./failures.ts"
import { plain } from "./output.ts"
import { command, refusal } from "./refusal.ts"

/** A response's body as it came, and as the command reads it. */
export interface Reply<A> {
  readonly text: string
  readonly value: A
}

type Method = "GET" | "POST" | "PATCH" | "DELETE"

/** The gateway's lifecycle API, as a command calls it. */
export class Gateway extends Context.Service<
  Gateway,
  {
    /**
     * Makes one request, and once more if its connection breaks: a POST carries an Idempotency-Key, the other
     * methods may be repeated as they are. Follows no redirect, so the token goes nowhere else.
     */
    readonly call: <A>(
      schema: Schema.Decoder<A>,
      method: Method,
      path: string,
      body?: object
    ) => Effect.Effect<Reply<A>, CommandFailed | GatewayUnreachable>
  }
>()("tasker-codex-api/cli/Gateway") {}

const longest = "20 seconds"

/** There is no response. `sent` is false if certainly no request arrived. */
class Broken extends Schema.TaggedError<Broken>()("Broken", {
  because: Schema.String,
  sent: Schema.Boolean
}) {}

const make = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const random = yield* SecureRandom.SecureRandom
  const asked = yield* urlFlag
  // Read by the first call: a command that only shows its help needs no token.
  const standing = yield* Effect.cached(access(asked))

  const call: Gateway["Service"]["call"] = Effect.fn("Gateway.call")(function* (schema, method, path, body) {
    const to = yield* standing
    const key = method === "POST" ? { "idempotency-key": yield* random.uuidV7() } : {}
    const response = yield* exchange(client, requestOf(to, method, path, key, body)).pipe(
      Effect.mapError(({ because, sent }) => unreachable(to.url, because, sent && method !== "GET"))
    )
    return response.status >= 200 && response.status < 300
      ? yield* decoded(schema, response.text)
      : yield* refusal(to, response)
  })

  return Gateway.of({ call })
})

/** Reaches the gateway that the environment and `--url` name. */
export const layer = Layer.effect(Gateway, make).pipe(
  Layer.provide([NodeHttpClient.layerNodeHttp, NodeCrypto.layerSecureRandom])
)

const requestOf = (
  { token, url }: Access,
  method: Method,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: object | undefined
): HttpClientRequest.HttpClientRequest => {
  const bare = HttpClientRequest.make(method)(url + path, { headers, acceptJson: true }).pipe(
    HttpClientRequest.bearerToken(token)
  )
  return body === undefined ? bare : HttpClientRequest.bodyJsonUnsafe(bare, body)
}

const exchange = (client: HttpClient.HttpClient, request: HttpClientRequest.HttpClientRequest) => {
  const once = client.execute(request).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (text) => ({ status: response.status, text }))),
    Effect.mapError(brokenBy)
  )
  return once.pipe(
    Effect.catch((first) =>
      Effect.mapError(once, ({ because, sent }) => new Broken({ because, sent: first.sent || sent }))
    ),
    Effect.timeoutOrElse({
      duration: longest,
      orElse: () => Effect.fail(new Broken({ because: `no response within ${longest}`, sent: true }))
    })
  )
}

/** Codes of Node's errors before the request leaves: the name is not found, nothing listens, no TLS. */
const beforeSending =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPROTO|CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

const brokenBy = ({ message, reason }: HttpClientError.HttpClientError): Broken => {
  const cause = "cause" in reason ? reason.cause : undefined
  if (!(cause instanceof Error)) return new Broken({ because: message, sent: true })
  const { code = "" } = cause as NodeJS.ErrnoException
  // An AggregateError, for a host with several addresses, has a code and no message.
  return new Broken({ because: cause.message || code, sent: !beforeSending.test(code) })
}

const unreachable = (url: string, because: string, perhapsDone: boolean): GatewayUnreachable =>
  new GatewayUnreachable({
    message: `The gateway at ${url} can't be reached: ${plain(because).replace(/[:.]+$/, "")}.\n${
      perhapsDone
        ? `The change may have been made. Look before you repeat it: ${command} list, ${command} show <agent>`
        : "Start it, or name its address with --url or NODEDC_AGENT_GATEWAY_URL."
    }`
  })

const decoded = <A>(schema: Schema.Decoder<A>, text: string): Effect.Effect<Reply<A>, CommandFailed> =>
  Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text).pipe(
    Effect.map((value) => ({ text, value })),
    Effect.mapError(
      () =>
        new CommandFailed({
          message:
            "The gateway's response is not one that this command can read. Use the command of its version."
        })
    )
  )
