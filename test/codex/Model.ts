import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Deferred, Effect, Fiber, Latch } from "effect"

/**
 * The model that Codex asks, as a script. Codex speaks to it as to any model of the Responses API: it posts
 * all that was said so far, and is streamed what the model says next, a call of a tool or its last words.
 */

/** What a script has at hand. */
export interface Hands {
  /** The gateway's tools, as Codex offers them to its model. */
  readonly tools: Effect.Effect<ReadonlyArray<string>>
  /** What Codex tells its model of the gateway itself: the server's instructions. */
  readonly instructions: Effect.Effect<string>
  /** Has Codex call one of the gateway's tools; ends with what Codex then tells its model. */
  readonly use: (tool: string, args?: object) => Effect.Effect<Output>
}

/** What Codex tells its model that came of a call. */
export interface Output {
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what the tool answered, of any shape; undefined where it is no JSON
  readonly json: any
}

/** What the model does, step by step. It ends with the model's last words. */
export type Script<R = never> = (hands: Hands) => Effect.Effect<string, never, R>

type Item = Readonly<Record<string, unknown>>

/** Of what Codex posts: what was said so far, and what the model may call. */
interface Asked {
  readonly input: ReadonlyArray<Item>
  readonly tools: ReadonlyArray<Item & { readonly tools?: ReadonlyArray<{ readonly name: string }> }>
}

/** Codex names the tools of an MCP server under this, by the server's name in its configuration. */
const namespace = "mcp__tasker"

export interface Model {
  /** For `base_url` of a model provider. */
  readonly url: string
  /** Ends with the script, in its own defect where it had one. */
  readonly played: Effect.Effect<void>
  readonly isPlayed: () => boolean
}

/** Serves one script to one run of Codex, on a free port of 127.0.0.1, until the scope closes. */
export const play = Effect.fnUntraced(function* <R>(script: Script<R>) {
  const asked = yield* Deferred.make<Asked>()
  /** Opened whenever there is something to say. */
  const spoken = Latch.makeUnsafe(false)
  let next: Item | undefined
  let waiting: { readonly id: string; readonly output: Deferred.Deferred<Output> } | undefined
  let calls = 0

  const offered = Effect.map(Deferred.await(asked), ({ tools }) =>
    tools.find(({ name }) => name === namespace)
  )

  const use: Hands["use"] = (tool, args = {}) =>
    Effect.gen(function* () {
      const id = `call_${++calls}`
      const output = yield* Deferred.make<Output>()
      waiting = { id, output }
      next = {
        type: "function_call",
        id: `fc_${calls}`,
        call_id: id,
        namespace,
        name: tool,
        arguments: JSON.stringify(args)
      }
      yield* spoken.open
      return yield* Deferred.await(output)
    })

  const playing = yield* Effect.forkChild(
    Effect.gen(function* () {
      // Codex has connected to its servers by the time it asks its model anything.
      yield* Deferred.await(asked)
      const words = yield* script({
        tools: Effect.map(offered, (of) => (of?.tools ?? []).map(({ name }) => name)),
        instructions: Effect.map(offered, (of) => String(of?.description ?? "")),
        use
      })
      next = message(words)
    }).pipe(
      // Codex is let go, so that what went wrong is seen at once.
      Effect.onError(() =>
        Effect.sync(() => {
          next = message("The script failed.")
        })
      ),
      Effect.ensuring(spoken.open)
    )
  )

  const answer = (body: Asked) =>
    Effect.gen(function* () {
      yield* Deferred.succeed(asked, body)
      const told = body.input.find(
        ({ call_id, type }) => type === "function_call_output" && call_id === waiting?.id
      )
      if (waiting !== undefined && told !== undefined) {
        const { output } = waiting
        waiting = undefined
        next = undefined
        yield* spoken.close
        yield* Deferred.succeed(output, outputOf(told.output))
      }
      yield* spoken.await
      return next ?? message("There is nothing to say.")
    })

  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const listening = createServer((request, response) => void reply(request, response))
      listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

  const reply = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method !== "POST" || request.url !== "/v1/responses") return response.writeHead(404).end()
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const item = await Effect.runPromise(answer(JSON.parse(Buffer.concat(chunks).toString()) as Asked))
    response.writeHead(200, { "content-type": "text/event-stream" }).end(eventsOf(item))
  }

  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/v1`,
    played: Fiber.join(playing),
    isPlayed: () => playing.pollUnsafe() !== undefined
  } satisfies Model as Model
})

const message = (text: string): Item => ({
  type: "message",
  id: "msg_1",
  role: "assistant",
  content: [{ type: "output_text", text }]
})

/** One answer of the Responses API as server-sent events, the least that Codex takes for one. */
const eventsOf = (item: Item): string => {
  const response = { id: "resp_1" }
  const tokens = { input_tokens: 1, output_tokens: 1, total_tokens: 2 }
  const usage = { ...tokens, input_tokens_details: null, output_tokens_details: null }
  return [
    { type: "response.created", response },
    { type: "response.output_item.done", item },
    { type: "response.completed", response: { ...response, usage } }
  ]
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join("")
}

/** A success is one text, a failure several; before either Codex says how long the call took. */
const outputOf = (output: unknown): Output => {
  const parts = (Array.isArray(output) ? output : [{ text: output }]) as ReadonlyArray<{ text?: unknown }>
  const text = parts.map((part) => String(part.text ?? "")).join("\n")
  const answered = text.replace(/^Wall time: .*\nOutput:\n/, "")
  try {
    return { text: answered, json: JSON.parse(answered) }
  } catch {
    return { text: answered, json: undefined }
  }
}
