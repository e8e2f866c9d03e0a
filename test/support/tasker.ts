import { Effect } from "effect"
import type { Edit } from "../tasker/Seeds.ts"
import type { Profile, Switches } from "../tasker/Switches.ts"
import { startTasker } from "../tasker/Tasker.ts"

/** What a test says to the reference Tasker that is no part of its contract: seeds, faults, and what it saw. */
export interface TaskerControl {
  readonly url: string
  readonly accessToken: string
  readonly project: (seed?: Partial<ProjectSeed>) => Effect.Effect<SeededProject>
  readonly writes: Effect.Effect<ReadonlyArray<RecordedWrite>>
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** Whether nothing is under way any more, what is delayed included. */
  readonly atRest: Effect.Effect<boolean>
  readonly fault: (fault: Fault) => Effect.Effect<void>
  readonly heal: Effect.Effect<void>
  readonly switches: (switches: Partial<Switches>) => Effect.Effect<void>
  /** Edits, archives or hides a card as a person does on the board: not logged as a write. */
  readonly edit: (issueId: string, edit: Edit) => Effect.Effect<void>
  readonly send: (method: string, path: string, body?: unknown) => Effect.Effect<unknown>
}

export interface ProjectSeed {
  readonly workspace_slug: string
  readonly name: string
  readonly identifier: string
  readonly labels: ReadonlyArray<{ readonly name: string }>
  readonly members: ReadonlyArray<{
    readonly id: string
    readonly display_name?: string
    readonly email?: string
    readonly role?: number
    readonly active?: boolean
  }>
  /** A member's id. */
  readonly default_assignee: string
}

export interface SeededProject {
  readonly project: {
    readonly id: string
    readonly name: string
    readonly identifier: string
    readonly workspace_slug: string
  }
  readonly states: ReadonlyArray<{ readonly id: string; readonly name: string; readonly group: string }>
  readonly labels: ReadonlyArray<{ readonly id: string; readonly name: string }>
  readonly members: ReadonlyArray<{ readonly id: string; readonly display_name: string }>
}

export interface RecordedWrite {
  readonly n: number
  readonly idempotency_key: string
  readonly agent_id: string
  readonly op: string
  readonly issue_id: string | null
  readonly comment_id: string | null
}

export interface RecordedRequest {
  readonly n: number
  readonly method: string
  readonly path: string
  readonly op: string | null
  readonly status: number | null
  readonly fault: string | null
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
}

export interface Fault {
  readonly op: string
  readonly fault: string
  readonly times?: number | "forever"
  readonly every?: number
  readonly delay_ms?: number
  readonly until_removed?: boolean
  readonly retry_after?: number
  readonly external_id?: string
  readonly carried_out?: boolean
  readonly status?: number
  readonly body?: string
  readonly content_type?: string
}

export const owner = { id: "owner-1", email: "owner@example.test", display_name: "Olga Owner", role: 20 }

const people = [
  owner,
  { id: "ivan", email: "ivan@example.test", display_name: "Ivan Developer", role: 15 },
  { id: "guest", email: "guest@example.test", display_name: "Gita Guest", role: 5 }
]

export const control = (url: string, accessToken: string): TaskerControl => {
  const send = (method: string, path: string, body?: unknown): Effect.Effect<unknown> =>
    Effect.promise(async () => {
      const response = await fetch(`${url}/control${path}`, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } })
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} /control${path}: ${response.status} ${text}`)
      return text === "" ? undefined : JSON.parse(text)
    })
  let projects = 0
  /** Up to which request all have ended: the log is long, and those need no second look. */
  let ended = 0
  return {
    url,
    accessToken,
    send,
    project: (seed = {}) =>
      send("POST", "/projects", {
        workspace_slug: "nodedc",
        name: `Operations ${++projects}`,
        identifier: `OPS${projects}`,
        labels: [{ name: "bug" }, { name: "backend" }],
        members: people,
        ...seed
      }) as Effect.Effect<SeededProject>,
    writes: Effect.map(
      send("GET", "/writes"),
      (body) => (body as { writes: ReadonlyArray<RecordedWrite> }).writes
    ),
    requests: Effect.map(
      send("GET", "/requests?since=0"),
      (body) => (body as { requests: ReadonlyArray<RecordedRequest> }).requests
    ),
    atRest: Effect.map(
      Effect.suspend(() => send("GET", `/requests?since=${ended}`)),
      (body) => {
        const {
          background = 0,
          last,
          requests
        } = body as { requests: ReadonlyArray<RecordedRequest>; last: number; background?: number }
        const rest = requests.every(
          ({ status, fault }) => status !== null || (fault ?? "").startsWith("cut_")
        )
        if (rest) ended = last
        return rest && background === 0
      }
    ),
    fault: (fault) => Effect.asVoid(send("POST", "/faults", fault)),
    heal: Effect.asVoid(send("DELETE", "/faults")),
    edit: (issueId, edit) => Effect.asVoid(send("PATCH", `/issues/${issueId}`, edit)),
    switches: (switches) => Effect.asVoid(send("PUT", "/switches", switches))
  }
}

/** A reference Tasker of a test's own, in the test's database. */
export const freshTasker = (
  databaseUrl: string,
  accessToken: string,
  options: { readonly profile?: Profile; readonly switches?: Partial<Switches> } = {}
) => Effect.map(startTasker({ databaseUrl, accessToken, ...options }), ({ url }) => control(url, accessToken))
