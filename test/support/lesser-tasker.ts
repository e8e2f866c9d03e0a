import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Context, Effect, Layer } from "effect"
import { World, withVariables } from "./world.ts"

const issuesPath = "/api/internal/nodedc/agent/issues"

const bodyOf = async (request: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}

/** Stands before the reference Tasker and keeps parameters of `GET /issues` from it, as if it did not know them. */
class Front {
  url = ""
  target = ""
  ignored: ReadonlyArray<string> = []
  /** The lists of cards that were asked for, by their parameters. */
  readonly lists: Array<URLSearchParams> = []
  /** The first is run before the next list is passed on, and so on. */
  beforeList: Array<() => Promise<void>> = []

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://front")
    if (request.method === "GET" && url.pathname === issuesPath) {
      this.lists.push(new URLSearchParams(url.searchParams))
      await this.beforeList.shift()?.()
      for (const name of this.ignored) url.searchParams.delete(name)
    }
    const { connection: _, host: __, "content-length": ___, ...headers } = request.headers
    const body = await bodyOf(request)
    const reply = await fetch(`${this.target}${url.pathname}${url.search}`, {
      method: request.method ?? "GET",
      headers: headers as Record<string, string>,
      ...(body.length === 0 ? {} : { body })
    })
    const type = reply.headers.get("content-type") ?? "text/plain"
    response.writeHead(reply.status, { "content-type": type }).end(Buffer.from(await reply.arrayBuffer()))
  }
}

export class LesserTasker extends Context.Service<LesserTasker, Front>()("test/support/LesserTasker") {}

const front = Layer.effect(
  LesserTasker,
  Effect.acquireRelease(
    Effect.promise(async () => {
      const front = new Front()
      const server = createServer((request, response) => {
        front.answer(request, response).catch(() => response.destroy())
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return { front, server }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  ).pipe(
    Effect.map(({ front, server }) => {
      const address = server.address()
      front.url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
      return front
    })
  )
)

/** A world whose gateway asks Tasker through the front. */
export const layer = Layer.unwrap(
  Effect.map(LesserTasker, (front) =>
    Layer.effectDiscard(
      Effect.map(World, ({ tasker }) => {
        front.target = tasker.url
      })
    ).pipe(Layer.provideMerge(withVariables({ NODEDC_TASKER_INTERNAL_URL: front.url })))
  )
).pipe(Layer.provideMerge(front))
