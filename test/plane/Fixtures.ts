import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import type { PlaneReply, PlaneRequest } from "../support/plane.ts"

/** Holds requests, in order, and how a real Plane answered them. Kept as JSON in `fixtures/`. */
export interface Fixture {
  readonly about: string
  /** The version that was measured. */
  readonly plane: string
  readonly steps: ReadonlyArray<Step>
}

export interface Step {
  readonly name: string
  readonly request: {
    readonly method: string
    /** `{NAME}` stands for what is known by that name, also in the body. */
    readonly path: string
    readonly body?: unknown
    /** Sent as it is, padded with spaces up to `bytes`. */
    readonly raw?: string
    readonly bytes?: number
    /** The key of the run unless given; null sends none. */
    readonly key?: string | null
    readonly headers?: Readonly<Record<string, string>>
  }
  /** Keeps the id in the response under a name, for later steps. */
  readonly save?: string
  readonly reply: Reply
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** True if the response says how many requests are left. */
  readonly counted: boolean
  /** JSON, or a text if it is none. */
  readonly body: unknown
}

const folder = new URL("./fixtures/", import.meta.url)

export const fixtureNames: ReadonlyArray<string> = readdirSync(fileURLToPath(folder))
  .filter((file) => file.endsWith(".json") && file !== "html.json")
  .map((file) => file.replace(".json", ""))

export const fixtureFile = (name: string): string => fileURLToPath(new URL(`${name}.json`, folder))

export const readFixture = (name: string): Fixture => JSON.parse(readFileSync(fixtureFile(name), "utf8"))

/** Reads descriptions as they were sent and stored; null if they were refused as "Invalid HTML". */
export const readHtml = (): Readonly<Record<"pairs" | "beyond", ReadonlyArray<Spelled>>> => {
  const { beyond, pairs } = JSON.parse(readFileSync(fixtureFile("html"), "utf8"))
  return { pairs, beyond }
}
export type Spelled = readonly [sent: string, stored: string | null]

/** Says where the steps of a fixture are run, and what their names stand for there. */
export interface Target {
  readonly request: (path: string, request: PlaneRequest) => Effect.Effect<PlaneReply>
  readonly names: Readonly<Record<string, string>>
}

const fill = (text: string, names: Readonly<Record<string, string>>) =>
  text.replace(/\{([A-Za-z][\w. ]*)\}/g, (whole, name: string) => names[name] ?? whole)

const fillIn = (value: unknown, names: Readonly<Record<string, string>>): unknown =>
  value === undefined ? undefined : JSON.parse(fill(JSON.stringify(value), names))

const kept = ["allow", "content-type", "location", "retry-after"]

const replyOf = ({ headers, json, status, text }: PlaneReply): Reply => ({
  status,
  headers: Object.fromEntries(
    kept.flatMap((name) => (headers.get(name) === null ? [] : [[name, headers.get(name) ?? ""]]))
  ),
  counted: headers.has("x-ratelimit-remaining"),
  body: json ?? text
})

export interface Run {
  readonly replies: ReadonlyArray<Reply>
  readonly names: Readonly<Record<string, string>>
}

/** Runs the steps in order. Returns the replies, and what the names stood for. */
export const run = Effect.fnUntraced(function* (
  steps: ReadonlyArray<Step>,
  target: Target
): Effect.fn.Return<Run> {
  const names: Record<string, string> = { ...target.names }
  const replies: Array<Reply> = []
  for (const { request, save } of steps) {
    const { body, bytes, headers, key, method, raw } = request
    const sent = raw === undefined ? fillIn(body, names) : raw.padEnd(bytes ?? 0)
    const reply = yield* target.request(fill(request.path, names), {
      method,
      ...(sent !== undefined && { body: sent }),
      ...(key !== undefined && { key }),
      ...(headers !== undefined && { headers })
    })
    if (save !== undefined) names[save] = String(reply.json?.id)
    replies.push(replyOf(reply))
  }
  return { replies, names }
})

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/
/** Counts in projects that others use as well. */
const loose = new Set(["sequence_id", "sort_order", "total_members"])
const parseError = "JSON parse error - "

/**
 * Finds where replies differ from the recorded ones. Ids may differ if they do so consistently, and times if
 * they have one form; names of the run are filled in first.
 */
export const differences = (
  recorded: ReadonlyArray<Reply>,
  come: ReadonlyArray<Reply>,
  names: Readonly<Record<string, string>>
): ReadonlyArray<ReadonlyArray<string>> => {
  const ids = new Map<string, string>()
  const back = new Map<string, string>()

  const sameText = (was: string, is: string) => {
    const filled = fill(was, names)
    const wasIds = filled.match(uuid) ?? []
    const isIds = is.match(uuid) ?? []
    const consistent = wasIds.every((id, at) => {
      const other = isIds[at] ?? ""
      const known = ids.get(id) ?? other
      ids.set(id, known)
      const origin = back.get(other) ?? id
      back.set(other, origin)
      return known === other && origin === id
    })
    const rest = (text: string) => text.replace(uuid, "{id}")
    return consistent && wasIds.length === isIds.length && rest(filled) === rest(is)
  }

  const compare = (was: unknown, is: unknown, path: string): ReadonlyArray<string> => {
    const differs = [`${path}: ${JSON.stringify(was)} was recorded, ${JSON.stringify(is)} came`]
    if (typeof was === "string" && typeof is === "string") {
      if (instant.test(was)) return instant.test(is) ? [] : differs
      if (was.startsWith(parseError)) return is.startsWith(parseError) ? [] : differs
      return sameText(was, is) ? [] : differs
    }
    if (typeof was === "number" && typeof is === "number") {
      return was === is || loose.has(path.split(".").at(-1) ?? "") ? [] : differs
    }
    if (typeof was !== "object" || typeof is !== "object" || was === null || is === null) {
      return was === is ? [] : differs
    }
    const keys = new Set([...Object.keys(was), ...Object.keys(is)])
    const at = (value: object, key: string): unknown => Object.getOwnPropertyDescriptor(value, key)?.value
    return [...keys].flatMap((key) => compare(at(was, key), at(is, key), `${path}.${key}`))
  }

  return recorded.map((reply, at) => compare(reply, come[at], "reply"))
}

/** Prepares replies to be recorded: with small ids, and without the names of the run. */
export const anonymous = (
  replies: ReadonlyArray<Reply>,
  names: Readonly<Record<string, string>>
): ReadonlyArray<Reply> => {
  const seen = new Map<string, string>()
  const small = (id: string) => {
    const known = seen.get(id) ?? `aaaaaaaa-0000-4000-8000-${String(seen.size + 1).padStart(12, "0")}`
    seen.set(id, known)
    return known
  }
  const { IDENT = "", PROJECT = "", run: mark = "" } = names
  const text = JSON.stringify(replies)
    .replaceAll(`/${names.P?.split("/").at(-1)}/`, "/{PID}/")
    .replaceAll(mark, "{run}")
    .replaceAll(`"${PROJECT}"`, '"{PROJECT}"')
    .replaceAll(`"${IDENT}"`, '"{IDENT}"')
  return JSON.parse(text.replace(uuid, small))
}
