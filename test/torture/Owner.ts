import { allScopes, type Scope, type TokenHeld, type TorturedAgent } from "./Agents.ts"
import { administer } from "./Client.ts"
import type { Owner as Person, Project } from "./counterparts/Counterpart.ts"
import type { History, Subject } from "./History.ts"
import type { Random } from "./Random.ts"

export interface OwnerOptions {
  readonly history: History
  /** In whose name the agents act. */
  readonly owner: Person
  readonly internalToken: string
  /** Where the instances are reached; an act goes to any of them. */
  readonly ports: ReadonlyArray<number>
  readonly random: Random
  readonly nextId: () => string
  /** Days that a grant lasts; undefined: until it is withdrawn. */
  readonly grantDays: number | undefined
}

interface Acting {
  readonly what: string
  readonly forbids?: Subject
  readonly allows?: Subject
  readonly method: "POST" | "PATCH" | "DELETE"
  readonly path: string
  readonly body?: unknown
}

// biome-ignore lint/suspicious/noExplicitAny: a resource of the lifecycle API, of whatever kind was asked for
type Resource = any

const mostTries = 25
const pause = (milliseconds: number) => new Promise((wake) => setTimeout(wake, milliseconds))

/**
 * What an owner does with agents, through whichever instance: every act is repeated until the gateway says
 * that it was done, and only what it said counts as acknowledged.
 */
export const ownerOf = ({
  grantDays,
  history,
  internalToken,
  nextId,
  owner,
  ports,
  random
}: OwnerOptions) => {
  const act = async (acting: Acting): Promise<Resource> => {
    const id = nextId()
    const key = acting.method === "POST" ? `act-${id}-${random.between(0, 1e9)}` : undefined
    history.write({
      ev: "act",
      act: id,
      what: acting.what,
      forbids: acting.forbids ?? null,
      allows: acting.allows ?? null
    })
    for (let tries = 0; tries < mostTries; tries++) {
      const port = random.pick(ports)
      const reply = await administer(port, internalToken, acting.method, acting.path, acting.body, key)
      if ("status" in reply) {
        if (reply.status < 300) {
          history.write({ ev: "acted", act: id })
          return reply.json
        }
        history.write({ ev: "act_lost", act: id, why: String(reply.json?.code ?? reply.status) })
        // Of a token that was issued before its reply got lost nobody has the secret.
        if (reply.json?.code === "idempotency.already_created") return { orphan: reply.json.token_info }
        if (reply.status < 500) throw new Error(`${acting.what}: ${JSON.stringify(reply.json)}`)
      } else {
        history.write({ ev: "act_lost", act: id, why: reply.lost })
      }
      await pause(random.between(50, 400))
    }
    return undefined
  }

  const pathOf = (agent: Pick<TorturedAgent, "id">) => `/api/v1/agents/${agent.id}`

  const revoke = (agent: Pick<TorturedAgent, "id">, token: Pick<TokenHeld, "id">) =>
    act({
      what: "token.revoke",
      forbids: { token: token.id },
      method: "DELETE",
      path: `${pathOf(agent)}/tokens/${token.id}`
    })

  const issue = async (agent: Pick<TorturedAgent, "id">): Promise<TokenHeld | undefined> => {
    const made = await act({
      what: "token.issue",
      method: "POST",
      path: `${pathOf(agent)}/tokens`,
      body: { name: "torture" }
    })
    if (made === undefined) return undefined
    if (made.orphan === undefined) return { id: made.token_info.id, secret: made.token }
    await revoke(agent, made.orphan)
    return issue(agent)
  }

  const grant = async (agent: TorturedAgent, project: Project, scopes: ReadonlyArray<Scope>) => {
    const removed = allScopes.filter((scope) => !scopes.includes(scope))
    const subject = { agent: agent.id, project: project.id }
    const made = await act({
      what: removed.length > 0 ? "grant.narrow" : "grant.widen",
      ...(removed.length > 0 ? { forbids: { ...subject, scopes: removed } } : {}),
      allows: { ...subject, scopes },
      method: "POST",
      path: `${pathOf(agent)}/grants`,
      body: {
        workspace_slug: project.workspace,
        project_id: project.id,
        scopes,
        ...(grantDays === undefined
          ? {}
          : { expires_at: new Date(Date.now() + grantDays * 86_400_000).toISOString() })
      }
    })
    if (made !== undefined) agent.grants.set(project.id, made.grant.id)
    return made !== undefined
  }

  const withdraw = async (agent: TorturedAgent, project: Project): Promise<boolean> => {
    const id = agent.grants.get(project.id)
    if (id === undefined) return false
    const done = await act({
      what: "grant.revoke",
      forbids: { agent: agent.id, project: project.id, scopes: allScopes },
      method: "DELETE",
      path: `${pathOf(agent)}/grants/${id}`
    })
    return done !== undefined
  }

  const setStatus = async (agent: TorturedAgent, status: "active" | "disabled"): Promise<boolean> => {
    const subject = { agent: agent.id }
    const done = await act({
      what: status === "active" ? "agent.enable" : "agent.disable",
      ...(status === "active" ? { allows: subject } : { forbids: subject }),
      method: "PATCH",
      path: pathOf(agent),
      body: { status }
    })
    return done !== undefined
  }

  const make = async (name: string, projects: ReadonlyArray<Project>): Promise<TorturedAgent> => {
    const made = await act({
      what: "agent.create",
      method: "POST",
      path: "/api/v1/agents",
      body: { owner_user_id: owner.id, owner_email: owner.email, display_name: name }
    })
    const agent: TorturedAgent = {
      id: made.agent.id,
      projects,
      tokens: [],
      grants: new Map(),
      retired: false
    }
    for (const project of projects) await grant(agent, project, allScopes)
    const tokens = [await issue(agent), await issue(agent)]
    agent.tokens = tokens.filter((token) => token !== undefined)
    return agent
  }

  return { make, issue, revoke, grant, withdraw, setStatus }
}

export type Owner = ReturnType<typeof ownerOf>
