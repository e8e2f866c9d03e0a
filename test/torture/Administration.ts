import { allScopes, type Scope, scopeOf, type TorturedAgent } from "./Agents.ts"
import type { Owner } from "./Owner.ts"
import { deckOf, type Random } from "./Random.ts"
import type { Worker } from "./Work.ts"

export interface AdministrationOptions {
  readonly owner: Owner
  readonly agents: ReadonlyArray<TorturedAgent>
  /** One that speaks for the agent when something is tried that must be refused. */
  readonly proberOf: (agent: TorturedAgent) => Worker
  readonly random: Random
  readonly goesOn: () => boolean
}

const pause = (milliseconds: number) => new Promise((wake) => setTimeout(wake, milliseconds))

/**
 * An owner at work: replaces tokens, narrows and widens grants, takes them away and gives them again,
 * disables agents and enables them. As soon as the gateway has said that something is forbidden, it is tried
 * on every instance. No agent is in the hands of two owners at once.
 */
export const administration = ({ agents, goesOn, owner, proberOf, random }: AdministrationOptions) => {
  const held = new Set<TorturedAgent>()

  const replaceToken = async (agent: TorturedAgent) => {
    const [oldest] = agent.tokens
    const fresh = await owner.issue(agent)
    if (oldest === undefined || fresh === undefined) return
    agent.tokens = [...agent.tokens.slice(1), fresh]
    const project = random.pick(agent.projects)
    const prober = proberOf(agent)
    const read = () => prober.probe(oldest, "tasker_list_issues", { project_id: project.id, limit: 1 })
    // Used on every instance a moment ago: one that remembers what it knew of it would still let it in.
    await read()
    if ((await owner.revoke(agent, oldest)) === undefined) return
    await read()
    await prober.probeWrite(oldest, project)
  }

  const narrow = async (agent: TorturedAgent) => {
    const project = random.pick(agent.projects)
    const left = random.shuffled(allScopes).slice(0, random.between(1, allScopes.length - 2))
    if (await owner.grant(agent, project, left)) await tryForbidden(agent, project.id, left)
    await pause(random.between(100, 900))
    await owner.grant(agent, project, allScopes)
  }

  const withdraw = async (agent: TorturedAgent) => {
    const project = random.pick(agent.projects)
    if (await owner.withdraw(agent, project)) await tryForbidden(agent, project.id, [])
    await pause(random.between(100, 700))
    await owner.grant(agent, project, allScopes)
  }

  const tryForbidden = async (agent: TorturedAgent, project: string, left: ReadonlyArray<Scope>) => {
    const token = agent.tokens.at(-1)
    const reads = ["tasker_list_issues", "tasker_get_project_context"].filter(
      (tool) => !left.includes(scopeOf[tool] as Scope)
    )
    if (token === undefined) return
    for (const tool of reads) await proberOf(agent).probe(token, tool, { project_id: project })
    const found = agent.projects.find(({ id }) => id === project)
    if (!left.includes("issue:create") && found !== undefined) await proberOf(agent).probeWrite(token, found)
  }

  const disable = async (agent: TorturedAgent) => {
    const token = agent.tokens.at(-1)
    const look = async () => token && proberOf(agent).probe(token, "tasker_get_session", {})
    await look()
    if ((await owner.setStatus(agent, "disabled")) && token !== undefined) {
      await look()
      await proberOf(agent).probeWrite(token, random.pick(agent.projects))
    }
    await pause(random.between(100, 700))
    await owner.setStatus(agent, "active")
  }

  const next = deckOf(random, [replaceToken, replaceToken, replaceToken, narrow, narrow, withdraw, disable])

  const work = async () => {
    while (goesOn()) {
      const free = agents.filter((agent) => !held.has(agent) && !agent.retired)
      if (free.length > 0) {
        const agent = random.pick(free)
        held.add(agent)
        await next()(agent).finally(() => held.delete(agent))
      }
      await pause(random.between(50, 400))
    }
  }

  /** For good: what it left undecided may be looked at from now on, and never be sent. */
  const retire = async (agent: TorturedAgent) => {
    while (held.has(agent)) await pause(50)
    held.add(agent)
    agent.retired = true
    await owner.setStatus(agent, "disabled")
  }

  /** Everything that agents had, but for those retired. */
  const restore = async () => {
    for (const agent of agents) {
      if (agent.retired) continue
      await owner.setStatus(agent, "active")
      for (const project of agent.projects) await owner.grant(agent, project, allScopes)
    }
  }

  return { work, retire, restore }
}
