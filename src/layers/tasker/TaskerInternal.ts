import { Cache, Clock, Duration, Effect, Equal, Exit, Hash, Layer, Option, Redacted, Result } from "effect"
import { Settings, variables } from "../../Config.ts"
import { type ProjectId, Uuid } from "../../domain/Ids.ts"
import {
  type Existing,
  type Made,
  type OnBehalf,
  TaskerAdapter,
  type TaskerError
} from "../../services/TaskerAdapter.ts"
import * as TaskerGate from "./TaskerGate.ts"
import * as TaskerHttp from "./TaskerHttp.ts"
import * as TaskerSend from "./TaskerSend.ts"
import { decoder, readError, readJson } from "./taskerAnswers.ts"
import * as Calls from "./taskerCalls.ts"
import { breach, ofStatus, unconfigured } from "./taskerFailures.ts"

const apiPath = "/api/internal/nodedc/agent"
const knockTimeoutMillis = 2000
const contextsKept = 1000
const contextFreshness = Duration.seconds(10)

/** `TaskerAdapter` over Tasker's internal API; `docs/TASKER_API_AUDIT.md` says of each call what it may do. */
export const layer: Layer.Layer<TaskerAdapter, never, Settings> = Layer.effect(
  TaskerAdapter,
  Effect.gen(function* () {
    const { taskerUrl, taskerToken, taskerTimeout } = yield* Settings
    if (Option.isNone(taskerUrl) || Option.isNone(taskerToken)) {
      const missing = Option.isNone(taskerUrl) ? variables.taskerUrl : variables.taskerToken
      const refuse: TaskerSend.Send = (call) => Effect.fail(unconfigured(call, missing.name))
      return yield* adapter(refuse, "", {
        reachable: Effect.succeed("unconfigured"),
        available: Effect.succeed(false)
      })
    }
    const timeoutMillis = Duration.toMillis(taskerTimeout)
    const { origin, pathname } = taskerUrl.value
    const basePath = pathname.replace(/\/+$/, "")
    const token = Redacted.value(taskerToken.value)
    const transport = yield* TaskerHttp.make(origin, {
      connections: TaskerGate.mostUnderWay,
      connectTimeoutMillis: timeoutMillis
    })
    const gate = yield* TaskerGate.make
    const send = TaskerSend.make(transport, gate, { path: basePath + apiPath, token, timeoutMillis })
    // On a connection of its own: a Tasker that is busy with our calls is not unreachable.
    const door = yield* TaskerHttp.make(origin, { connections: 1, connectTimeoutMillis: knockTimeoutMillis })
    const knock = { method: "GET", path: `${basePath}/`, headers: {}, body: undefined } as const
    return yield* adapter(send, token, {
      reachable: Effect.map(door.knock(knock, knockTimeoutMillis), (answered) =>
        answered ? "ok" : "unreachable"
      ),
      available: gate.open
    })
  })
)

const adapter = (
  send: TaskerSend.Send,
  token: string,
  state: Pick<TaskerAdapter["Service"], "reachable" | "available">
): Effect.Effect<TaskerAdapter["Service"]> =>
  Effect.gen(function* () {
    const ask = <A>(call: Calls.Call<A>): Effect.Effect<A, TaskerError> =>
      send(call).pipe(
        Effect.flatMap((reply) => judge(call, reply, token)),
        observed(call)
      )
    /** A 409 with an id says that it was made before: a success, and no conflict. */
    const make = <A>(call: Calls.Call<A>): Effect.Effect<Made<A> | Existing, TaskerError> =>
      send(call).pipe(
        Effect.flatMap(
          (reply): Effect.Effect<Made<A> | Existing, TaskerError> =>
            existing(call, reply) ?? Effect.map(judge(call, reply, token), made)
        ),
        observed(call)
      )
    const contexts = yield* Cache.makeWith(
      ({ who, projectId }: ContextKey) => ask(Calls.projectContext(who, projectId)),
      {
        capacity: contextsKept,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? contextFreshness : Duration.zero)
      }
    )
    return TaskerAdapter.of({
      resolveProject: (who, query) => ask(Calls.resolveProject(who, query)),
      projectContext: (who, projectId) =>
        Effect.tap(ask(Calls.projectContext(who, projectId)), (context) =>
          Cache.set(contexts, new ContextKey(who, projectId), context)
        ),
      recentContext: (who, projectId) => Cache.get(contexts, new ContextKey(who, projectId)),
      listIssues: (who, query) => ask(Calls.listIssues(who, query)),
      listComments: (who, query) => ask(Calls.listComments(who, query)),
      createIssue: (ticket, write) => make(Calls.createIssue(ticket, write)),
      updateIssue: (ticket, write) => ask(Calls.updateIssue(ticket, write)),
      moveIssue: (ticket, write) => ask(Calls.moveIssue(ticket, write)),
      setLabels: (ticket, write) => ask(Calls.setLabels(ticket, write)),
      setAssignees: (ticket, write) => ask(Calls.setAssignees(ticket, write)),
      addComment: (ticket, write) => make(Calls.addComment(ticket, write)),
      ...state
    })
  })

/** What a reply means to the one who asked. */
const judge = <A>(
  call: Calls.Call<A>,
  reply: TaskerHttp.Reply,
  token: string
): Effect.Effect<A, TaskerError> => {
  if (reply.status < 200 || reply.status > 299) {
    const secrets = [token, Calls.upstreamKeyOf(call)].filter((secret) => secret !== undefined)
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.fail(ofStatus(call, reply, readError(reply, secrets), now))
    )
  }
  const answer = Result.flatMap(readJson(reply), call.decode)
  if (Result.isFailure(answer)) return Effect.fail(breach(call, answer.failure))
  const stray = call.strays(answer.success)
  return stray === undefined ? Effect.succeed(answer.success) : Effect.fail(breach(call, stray))
}

const made = <A>(value: A): Made<A> => ({ _tag: "Made", value })

const decodeId = decoder(Uuid)

const existing = (
  call: Calls.Outgoing,
  reply: TaskerHttp.Reply
): Effect.Effect<Existing, TaskerError> | undefined => {
  const id = reply.status === 409 ? readError(reply, [])?.id : undefined
  if (id === undefined || id === null) return undefined
  return Result.match(decodeId(id), {
    onSuccess: (known) => Effect.succeed<Existing>({ _tag: "Existing", id: known }),
    onFailure: () => Effect.fail(breach(call, "what it says exists already has no valid id"))
  })
}

/** A span a call. An answer that breaks the contract is a defect of Tasker's, which its operator is told. */
const observed =
  (call: Calls.Outgoing) =>
  <A>(effect: Effect.Effect<A, TaskerError>): Effect.Effect<A, TaskerError> =>
    Effect.tapError(effect, (failure) =>
      failure.reason === "contract"
        ? Effect.logError(failure.message).pipe(
            Effect.annotateLogs({ request_id: call.who.requestId, agent_id: call.who.agent.id })
          )
        : Effect.void
    ).pipe(Effect.withSpan(`TaskerAdapter.${call.name}`, { kind: "client" }, { captureStackTrace: false }))

/** Equal for one project and owner, since what Tasker shows is a matter of the owner; carries who asks. */
class ContextKey implements Equal.Equal {
  readonly who: OnBehalf
  readonly projectId: ProjectId
  constructor(who: OnBehalf, projectId: ProjectId) {
    this.who = who
    this.projectId = projectId
  }
  [Equal.symbol](that: Equal.Equal): boolean {
    return (
      that instanceof ContextKey &&
      this.projectId === that.projectId &&
      this.who.agent.owner_user_id === that.who.agent.owner_user_id
    )
  }
  [Hash.symbol](): number {
    return Hash.string(`${this.projectId} ${this.who.agent.owner_user_id}`)
  }
}
