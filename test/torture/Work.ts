import type { TokenHeld, TorturedAgent } from "./Agents.ts"
import { callTool, edges, type Outcome } from "./Client.ts"
import type { Project } from "./counterparts/Counterpart.ts"
import type { History, Operation } from "./History.ts"
import type { Random } from "./Random.ts"
import { type Wanted, type WorkedCard, writesOf } from "./Writes.ts"

export interface WorkOptions {
  readonly history: History
  readonly ports: ReadonlyArray<number>
  /** Whether an instance answers, as far as what stands before them knows. */
  readonly isUp: (instance: number) => boolean
  readonly random: Random
  readonly nextId: () => string
  readonly nextMark: () => string
  /** Milliseconds for which a reply is waited for. */
  readonly patience: number
  readonly goesOn: () => boolean
}

/** An operation on its way, with what was wanted of it. */
interface Underway extends Operation {
  readonly wanted: Wanted
}

type Ending =
  | { readonly _tag: "Done"; readonly content: Readonly<Record<string, unknown>> }
  | { readonly _tag: "Refused" }
  | { readonly _tag: "GivenUp" }

const pause = (milliseconds: number) => new Promise((wake) => setTimeout(wake, milliseconds))

/** How many cards a worker has at a time, and how many of its writes it can come back to. */
const cardsHeld = 8
const writesRemembered = 40

/**
 * One worker of an agent: calls tools as an honest client does, one thing after the other. Of what it does
 * not know it repeats the call with the same key, through any instance and by any way, until it knows or has
 * had enough. A card it writes on is its own: no other worker touches it.
 */
export const workerOf = (agent: TorturedAgent, options: WorkOptions) => {
  const { history, nextId, ports, random } = options
  const writes = writesOf(random, options.nextMark)
  let cards: Array<WorkedCard> = []
  let remembered: Array<Underway> = []
  let givenUp: Array<Underway> = []

  const ask = async (
    tool: string,
    args: Readonly<Record<string, unknown>>,
    op: Underway | null,
    token: TokenHeld,
    instance: number
  ): Promise<Outcome> => {
    const call = nextId()
    const edge = random.pick(edges)
    history.write({
      ev: "invoke",
      call,
      op: op?.op ?? null,
      agent: agent.id,
      token: token.id,
      tool,
      project: typeof args.project_id === "string" ? args.project_id : null,
      instance,
      edge
    })
    const port = ports[instance] as number
    const sent = op === null ? args : { ...args, idempotency_key: op.key }
    const outcome = await callTool({
      id: call,
      port,
      edge,
      token: token.secret,
      tool,
      args: sent,
      patience: options.patience
    })
    if (outcome._tag === "Lost") {
      history.write({ ev: "lost", call, why: outcome.why })
    } else {
      const answer = op === null ? null : outcome.content
      const replayed = outcome.content?.replayed === true
      history.write({ ev: "reply", call, status: outcome.status, code: outcome.code, replayed, answer })
    }
    return outcome
  }

  /** Mostly one that answers, as a balancer chooses; the others are tried too. */
  const anyInstance = (): number => {
    const all = [...ports.keys()]
    const up = all.filter(options.isUp)
    return random.pick(up.length === 0 || random.chance(straying) ? all : up)
  }

  const repeat = (op: Underway) => {
    const token = agent.tokens.length === 0 ? undefined : random.pick(agent.tokens)
    return token === undefined
      ? Promise.resolve<Outcome>({ _tag: "Lost", why: "no token" })
      : ask(op.tool, op.args, op, token, anyInstance())
  }

  const begin = (wanted: Wanted, key?: string, twinOf?: Operation): Underway => {
    const op = nextId()
    const operation: Operation = {
      op,
      agent: agent.id,
      project: wanted.project.id,
      key: key ?? `key-${op}-${random.between(0, 1e9)}`,
      tool: wanted.tool,
      args: wanted.args,
      effect: wanted.effect,
      issue: wanted.card?.id ?? null,
      twin_of: twinOf?.op ?? null,
      holds: wanted.holds("?")
    }
    history.write({ ev: "operation", ...operation })
    return { ...operation, wanted }
  }

  /** Waits; once the run has ended, for half a second at most. */
  const rest = async (milliseconds: number) => {
    const until = performance.now() + milliseconds
    for (let left = milliseconds; left > 0; left = options.goesOn() ? until - performance.now() : 0) {
      await pause(Math.min(left, 500))
    }
  }

  /** Until it is known, or for as long as this client has patience; `racers` calls at once to begin with. */
  const carry = async (op: Underway, racers = 1): Promise<Ending> => {
    const patience = random.between(1, 8)
    for (let tries = 0; tries < patience; tries++) {
      const outcomes = await Promise.all(Array.from({ length: tries === 0 ? racers : 1 }, () => repeat(op)))
      const done = outcomes.find((outcome) => outcome._tag === "Replied" && outcome.code === null)
      if (done?._tag === "Replied" && done.content !== null) return { _tag: "Done", content: done.content }
      if (!outcomes.some(worthRepeating)) return { _tag: "Refused" }
      const told = Math.max(
        0,
        ...outcomes.map((each) => (each._tag === "Replied" ? (each.retryAfter ?? 0) : 0))
      )
      // Most clients come back too early, which must do no harm.
      await rest(told > 0 && random.chance(obedience) ? told * 1000 : random.between(30, 500))
    }
    history.write({ ev: "give_up", op: op.op })
    return { _tag: "GivenUp" }
  }

  /** Does a write to its end and keeps what became of its card. */
  const write = async (op: Underway, racers = 1): Promise<Ending> => {
    const ending = await carry(op, racers)
    const { card } = op.wanted
    if (ending._tag === "Done") {
      remembered = [...remembered.slice(-writesRemembered), op]
      const issue = ending.content.issue as Shown | undefined
      if (card !== null) {
        card.updatedAt = issue?.updated_at ?? card.updatedAt
        card.version = issue?.version ?? card.version
      } else if (typeof issue?.id === "string") hold(issue.id, issue, op.wanted)
    } else if (ending._tag === "GivenUp") {
      givenUp = [...givenUp.slice(-writesRemembered), op]
      // A write on its way is best left alone with its card: a later one could make it undecidable.
      if (!random.chance(meddling)) cards = cards.filter((held) => held !== card)
    } else if (card !== null) {
      // Perhaps somebody else changed it: what was known of it may be old.
      card.updatedAt = null
      card.version = null
    }
    return ending
  }

  const hold = (id: string, { updated_at, version }: Shown, { holds, project }: Wanted) => {
    const card = {
      id,
      project,
      updatedAt: updated_at ?? null,
      version: version ?? null,
      asked: new Set(holds(id))
    }
    cards = [...cards.slice(-cardsHeld), card]
  }

  const anyProject = (): Project => random.pick(agent.projects)

  const anyWrite = (): Wanted => {
    const card = cards.length < 2 || random.chance(0.25) ? undefined : random.pick(cards)
    return (card === undefined ? undefined : writes.change(card)) ?? writes.create(anyProject())
  }

  const read = () => {
    const project = anyProject()
    const token = agent.tokens.length === 0 ? undefined : random.pick(agent.tokens)
    if (token === undefined) return pause(50)
    const [tool, args] = readOf(project)
    return ask(tool, args, null, token, anyInstance())
  }

  const readOf = (project: Project): [string, Readonly<Record<string, unknown>>] => {
    const card = cards.find((held) => held.project === project)
    const there = { project_id: project.id }
    return random.pick<[string, Readonly<Record<string, unknown>>]>([
      ["tasker_list_issues", { ...there, limit: 5 }],
      ["tasker_get_project_context", there],
      ["tasker_get_session", {}],
      ...(card === undefined
        ? []
        : ([
            ["tasker_get_issue", { ...there, issue_id: card.id }],
            ["tasker_list_comments", { ...there, issue_id: card.id, limit: 5 }]
          ] as [string, object][] as [string, Readonly<Record<string, unknown>>][]))
    ])
  }

  const step = async (): Promise<unknown> => {
    const old = remembered.length === 0 ? undefined : random.pick(remembered)
    const dice = random.next()
    if (dice < 0.18) return read()
    if (dice < 0.28) return write(begin(anyWrite()), random.between(2, 4))
    if (dice < 0.35 && old !== undefined) return repeat(old)
    // The same key with other arguments: never a second write, never the first one's answer.
    if (dice < 0.41 && old !== undefined) return repeat(begin(anyWrite(), old.key))
    if (dice < 0.47 && old?.tool === "tasker_create_issue" && old.twin_of === null) {
      return write(begin(writes.twin(old.wanted, random.chance(0.2)), undefined, old))
    }
    return write(begin(anyWrite()))
  }

  return {
    /** Works until the run ends or the agent is retired. */
    work: async () => {
      while (options.goesOn() && !agent.retired) {
        await step()
        await pause(random.between(2, 25))
      }
    },
    /** Repeats some of what it remembers, acknowledged or not, when everything is well again; these keys always. */
    askAgain: async (most: number, always: ReadonlySet<string>) => {
      if (agent.retired) return
      const all = random.shuffled([...remembered, ...givenUp])
      const first = all.filter(({ key }) => always.has(key))
      const others = all.filter(({ key }) => !always.has(key))
      for (const op of [...first, ...others.slice(0, most)]) await repeat(op)
    },
    /** Tries a token that must be dead by now, or a scope that must be gone, on every instance. */
    probe: (token: TokenHeld, tool: string, args: Readonly<Record<string, unknown>>) =>
      Promise.all(ports.map((_, instance) => ask(tool, args, null, token, instance))),
    probeWrite: async (token: TokenHeld, project: Project) => {
      const op = begin(writes.create(project))
      await ask(op.tool, op.args, op, token, anyInstance())
    }
  }
}

export type Worker = ReturnType<typeof workerOf>

/** A card in an answer, as far as its scopes show it. */
interface Shown {
  readonly id?: string
  readonly updated_at?: string
  readonly version?: string
}

/** Of clients, how many wait for as long as they are told. */
const obedience = 0.3

/** Of writes that were given up, how many clients go on with their card all the same. */
const meddling = 0.08

/** Of calls, how many go to any instance, whether it answers or not. */
const straying = 0.1

const open = new Set([
  "tasker.outcome_unknown",
  "idempotency.in_progress",
  "gateway.unavailable",
  // Its token was replaced meanwhile: another one of the same agent will do.
  "auth.revoked",
  "auth.unknown"
])

const worthRepeating = (outcome: Outcome): boolean =>
  outcome._tag === "Lost" ||
  (outcome.code !== null &&
    outcome.code !== "duplicate.possible_duplicate" &&
    (outcome.retryable || outcome.status >= 500 || open.has(outcome.code)))
