import { createHash, randomUUID } from "node:crypto"
import { Effect } from "effect"
import type { AgentId } from "../../../src/domain/Ids.ts"
import { upstreamKey } from "../../../src/domain/Operation.ts"
import { allScopes } from "../../../src/domain/Scope.ts"
import { owner } from "../../support/tasker.ts"
import type { WriteRow } from "../../support/writes.ts"
import type { Gateway } from "./Gateway.ts"
import type { Place } from "./Place.ts"

/** One call of one write tool, by an agent of its own on a project of its own, in which nothing was written but one card. */
export interface Scene {
  readonly agentId: string
  readonly token: string
  readonly projectId: string
  readonly workspaceSlug: string
  /** The agent's own key. */
  readonly key: string
  /** What Tasker knows it by. */
  readonly upstreamKey: string
  readonly tool: string
  readonly args: object
}

/** What stands in the parameters of statements of the scene's call, as text and as PostgreSQL's binary form has it. */
export const signsOf = (
  { agentId, key, token }: Scene,
  operationId: string | undefined
): ReadonlyArray<Buffer> => {
  const tokenHash = createHash("sha256").update(token).digest("hex")
  const ids = [agentId, ...(operationId === undefined ? [] : [operationId])]
  return [
    Buffer.from(key),
    ...[tokenHash, ...ids].flatMap((id) => [Buffer.from(id), Buffer.from(id.replaceAll("-", ""), "hex")])
  ]
}

/** What a client was told; `Cut`: the connection broke before there was an answer. */
export type Told =
  | { readonly _tag: "Cut" }
  /** The answer of a success, without `replayed`. */
  | { readonly _tag: "Done"; readonly replayed: boolean; readonly answer: object }
  | { readonly _tag: "Refused"; readonly code: string; readonly retryAfter: number | undefined }

/** Sets a scene through a gateway that lives. */
export const setScene = Effect.fnUntraced(function* (place: Place, gateway: Gateway, row: WriteRow) {
  const project = yield* place.tasker.project
  const { agent } = yield* administer(gateway, "/api/v1/agents", {
    owner_user_id: owner.id,
    owner_email: owner.email,
    display_name: "Crash Codex"
  })
  yield* administer(gateway, `/api/v1/agents/${agent.id}/grants`, {
    workspace_slug: project.workspace_slug,
    project_id: project.id,
    scopes: allScopes,
    ...place.tasker.grant()
  })
  const { token } = yield* administer(gateway, `/api/v1/agents/${agent.id}/tokens`, { name: "crash" })
  const key = `crash-${randomUUID()}`
  return {
    agentId: agent.id,
    token,
    projectId: project.id,
    workspaceSlug: project.workspace_slug,
    key,
    upstreamKey: upstreamKey(agent.id as AgentId, key),
    tool: row.tool,
    args: { project_id: project.id, idempotency_key: key, ...row.args(yield* place.tasker.card(project)) }
  } satisfies Scene as Scene
})

const send = (url: string, headers: Readonly<Record<string, string>>, body: object) =>
  Effect.tryPromise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body)
    })
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    return { status: response.status, json: (await response.json()) as any }
  })

/** The same, where anything but a success would be a fault of the scene. */
const make = (url: string, headers: Readonly<Record<string, string>>, body: object) =>
  Effect.orDie(
    Effect.flatMap(send(url, headers, body), ({ json, status }) =>
      status < 300
        ? Effect.succeed(json)
        : Effect.die(new Error(`${url} answered ${status}: ${JSON.stringify(json)}`))
    )
  )

const administer = (gateway: Gateway, path: string, body: object) =>
  make(`${gateway.url}${path}`, { authorization: `Bearer ${gateway.internalToken}` }, body)

/** Makes the scene's call, under a request id. */
export const callOf = (
  gateway: Gateway,
  { args, token, tool }: Scene,
  requestId: string = randomUUID()
): Effect.Effect<Told> =>
  send(
    `${gateway.url}/api/v1/tools/${tool}`,
    { authorization: `Bearer ${token}`, "x-request-id": requestId },
    args
  ).pipe(
    Effect.map(({ json, status }): Told => {
      if (status !== 200) {
        return { _tag: "Refused", code: String(json.code), retryAfter: json.retry_after_seconds }
      }
      const { replayed, ...answer } = json
      return { _tag: "Done", replayed, answer }
    }),
    Effect.catch(() => Effect.succeed<Told>({ _tag: "Cut" }))
  )
