import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Context, Effect, Layer } from "effect"
import { World, withVariables } from "./world.ts"

/**
 * A Tasker that can do less than the reference, which stands behind it: it passes requests on, and spoils what
 * comes back of the lists.
 */
export interface Lesser {
  /** `GET /issues` knows `project_id` alone and lists all cards at once; comments are not listed. */
  readonly seed?: boolean
  /** A cursor is a page number that counts in pages of the request's own limit. */
  readonly pageNumbers?: boolean
  /** Parameters of `GET /issues` that are ignored. */
  readonly ignored?: ReadonlyArray<string>
  /** Fields that cards don't have. */
  readonly without?: ReadonlyArray<string>
}

type Issue = Readonly<Record<string, unknown>>
interface Page {
  readonly results: ReadonlyArray<Issue>
  readonly next_cursor: string | null
  readonly total_count: number
}

const issuesPath = "/api/internal/nodedc/agent/issues"

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

class Front {
  url = ""
  target = ""
  manner: Lesser = {}
  /** Requests of cards that came in, by their query. */
  readonly lists: Array<URLSearchParams> = []
  /** Run before the n-th list from now is passed on. */
  beforeList: Array<() => Promise<void>> = []

  private async fetched(request: IncomingMessage, path: string, body?: Buffer) {
    const { authorization, host: _, connection: __, "content-length": ___, ...headers } = request.headers
    return fetch(`${this.target}${path}`, {
      method: request.method ?? "GET",
      headers: { ...(headers as Record<string, string>), authorization: authorization ?? "" },
      ...(body === undefined || body.length === 0 ? {} : { body: new Uint8Array(body) })
    })
  }

  private async allCards(
    request: IncomingMessage,
    params: URLSearchParams
  ): Promise<ReadonlyArray<Issue> | Response> {
    const cards: Array<Issue> = []
    const asked = new URLSearchParams(params)
    for (const name of ["limit", "cursor"]) asked.delete(name)
    asked.set("limit", "100")
    for (;;) {
      const reply = await this.fetched(request, `${issuesPath}?${asked}`)
      if (!reply.ok) return reply
      const { next_cursor, results } = (await reply.json()) as Page
      cards.push(...results)
      if (next_cursor === null) break
      asked.set("cursor", next_cursor)
    }
    return cards.toSorted((one, other) => String(other.created_at).localeCompare(String(one.created_at)))
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://lesser")
    const send = (status: number, type: string, body: string | Buffer) => {
      response.writeHead(status, { "content-type": type }).end(body)
    }
    const isList = request.method === "GET" && url.pathname === issuesPath
    if (request.method === "GET" && url.pathname.endsWith("/comments") && this.manner.seed === true) {
      return send(404, "text/html", "<h1>Not Found</h1>")
    }
    if (isList) {
      this.lists.push(url.searchParams)
      await this.beforeList.shift()?.()
    }
    if (!isList || Object.keys(this.manner).length === 0) {
      const reply = await this.fetched(request, `${url.pathname}${url.search}`, await bodyOf(request))
      return send(
        reply.status,
        reply.headers.get("content-type") ?? "text/plain",
        Buffer.from(await reply.arrayBuffer())
      )
    }
    const params = new URLSearchParams(url.searchParams)
    const { ignored = [], pageNumbers = false, seed = false, without = [] } = this.manner
    for (const name of [...params.keys()]) {
      if (ignored.includes(name) || (seed && name !== "project_id")) params.delete(name)
    }
    const cards = await this.allCards(request, params)
    if (cards instanceof Response) return send(cards.status, "application/json", await cards.text())
    const bare = cards.map((card) =>
      Object.fromEntries(Object.entries(card).filter(([name]) => !without.includes(name)))
    )
    if (seed) return send(200, "application/json", JSON.stringify({ results: bare }))
    const limit = Number(params.get("limit") ?? 50)
    const cursor = params.get("cursor")
    const number = cursor === null ? 0 : Number(cursor.split(":")[1])
    if (!Number.isInteger(number)) return send(400, "application/json", JSON.stringify({ error: "invalid" }))
    // By the position of a card, as the reference does, or by a page's number.
    const from = pageNumbers ? number * limit : number
    const results = bare.slice(from, from + limit)
    const more = from + limit < bare.length
    const next = pageNumbers ? `${limit}:${number + 1}:0` : `at:${from + limit}`
    send(
      200,
      "application/json",
      JSON.stringify({ results, next_cursor: more ? next : null, total_count: bare.length })
    )
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

/** A world whose gateway asks the lesser Tasker. */
export const layer = Layer.unwrap(
  Effect.map(LesserTasker, (front) =>
    Layer.effectDiscard(
      Effect.map(World, ({ tasker }) => {
        front.target = tasker.url
      })
    ).pipe(Layer.provideMerge(withVariables({ NODEDC_TASKER_INTERNAL_URL: front.url })))
  )
).pipe(Layer.provideMerge(front))
