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
  /** Comments come newest first. */
  readonly newestComments?: boolean
  /** Parameters of `GET /issues` that are ignored. */
  readonly ignored?: ReadonlyArray<string>
  /** Fields that cards don't have. */
  readonly without?: ReadonlyArray<string>
  /** So many older cards besides, each with this many characters of text. */
  readonly more?: readonly [count: number, characters: number]
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

const olderCards = (
  [count, characters]: NonNullable<Lesser["more"]>,
  project_id: string
): ReadonlyArray<Issue> => {
  const description_html = `<p>${"Text ".repeat(characters / 5)}</p>`
  return Array.from({ length: count }, (_, n) => ({
    id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
    project_id,
    sequence_id: 100_000 + n,
    identifier: `OLD-${n}`,
    name: `Older card ${n}`,
    description_html,
    priority: "none",
    state_id: "00000000-0000-4000-8000-999999999999",
    label_ids: [],
    assignee_ids: [],
    start_date: null,
    target_date: null,
    parent_id: null,
    created_at: new Date(Date.UTC(2020, 0, 1) - n * 1000).toISOString(),
    updated_at: "2020-01-01T00:00:00.000000Z",
    url: `https://tasker.example/OLD-${n}`
  }))
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

  /** All items of a list of the reference. */
  private async all(
    request: IncomingMessage,
    path: string,
    params: URLSearchParams
  ): Promise<ReadonlyArray<Issue> | Response> {
    const items: Array<Issue> = []
    const asked = new URLSearchParams(params)
    asked.delete("cursor")
    asked.set("limit", "100")
    for (;;) {
      const reply = await this.fetched(request, `${path}?${asked}`)
      if (!reply.ok) return reply
      const { next_cursor, results } = (await reply.json()) as Page
      items.push(...results)
      if (next_cursor === null) return items
      asked.set("cursor", next_cursor)
    }
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://lesser")
    const send = (status: number, type: string, body: string | Buffer) => {
      response.writeHead(status, { "content-type": type }).end(body)
    }
    const passOn = async () => {
      const reply = await this.fetched(request, `${url.pathname}${url.search}`, await bodyOf(request))
      send(
        reply.status,
        reply.headers.get("content-type") ?? "text/plain",
        Buffer.from(await reply.arrayBuffer())
      )
    }
    const isCards = url.pathname === issuesPath
    const isComments = url.pathname.startsWith(issuesPath) && url.pathname.endsWith("/comments")
    if (request.method !== "GET" || !(isCards || isComments)) return passOn()
    if (isCards) {
      this.lists.push(url.searchParams)
      await this.beforeList.shift()?.()
    }
    const {
      ignored = [],
      more = [0, 0],
      newestComments,
      pageNumbers = false,
      seed = false,
      without = []
    } = this.manner
    if (isComments && seed) return send(404, "text/html", "<h1>Not Found</h1>")
    if (Object.keys(this.manner).length === 0) return passOn()

    const params = new URLSearchParams(url.searchParams)
    for (const name of [...params.keys()]) {
      if (ignored.includes(name) || (seed && name !== "project_id")) params.delete(name)
    }
    const found = await this.all(request, url.pathname, params)
    if (found instanceof Response) return send(found.status, "application/json", await found.text())
    const ordered = isCards
      ? found.toSorted(newestFirst)
      : newestComments === true
        ? found.toReversed()
        : found
    const items = [...ordered, ...(isCards ? olderCards(more, params.get("project_id") ?? "") : [])].map(
      (item) => Object.fromEntries(Object.entries(item).filter(([name]) => !without.includes(name)))
    )
    const sendJson = (status: number, value: object) =>
      send(status, "application/json", JSON.stringify(value))
    if (seed) return sendJson(200, { results: items })
    const limit = Number(params.get("limit") ?? 50)
    const cursor = params.get("cursor")
    const number = cursor === null ? 0 : Number(cursor.split(":")[1])
    if (!Number.isInteger(number)) return sendJson(400, { error: "invalid" })
    const from = pageNumbers ? number * limit : number
    const next = pageNumbers ? `${limit}:${number + 1}:0` : `at:${from + limit}`
    sendJson(200, {
      results: items.slice(from, from + limit),
      next_cursor: from + limit < items.length ? next : null,
      total_count: items.length
    })
  }
}

const newestFirst = (one: Issue, other: Issue): number =>
  String(other.created_at).localeCompare(String(one.created_at))

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
