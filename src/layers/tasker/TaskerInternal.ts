import { Cache, Duration, Effect, Equal, Exit, Hash, Layer, Option, Redacted } from "effect"
import { Settings, variables } from "../../Config.ts"
import type { ProjectId } from "../../domain/Ids.ts"
import type { CommentQuery, TaskerIssue } from "../../domain/Tasker.ts"
import type { IssueChange } from "../../domain/Write.ts"
import type { WriteFailed } from "../../domain/WriteFailed.ts"
import {
  type Existing,
  type Made,
  type OnBehalf,
  TaskerAdapter,
  type TaskerError
} from "../../services/TaskerAdapter.ts"
import * as NewestVersions from "./newestVersions.ts"
import * as TaskerGate from "./TaskerGate.ts"
import * as TaskerSend from "./TaskerSend.ts"
import { apiPath } from "./taskerApi.ts"
import * as Calls from "./taskerCalls.ts"
import * as Capabilities from "./taskerCapabilities.ts"
import { ofBroken, ServerError } from "./taskerFailures.ts"
import { existingId, judge, observed } from "./taskerJudge.ts"
import * as TaskerLink from "./taskerLink.ts"
import * as Lists from "./taskerLists.ts"
import * as Looks from "./taskerLooks.ts"

const contextsKept = 1000
const contextFreshness = Duration.seconds(10)

/** `TaskerAdapter` over Tasker's internal API; `docs/TASKER_API_AUDIT.md` says of each call what it may do. */
export const layer: Layer.Layer<TaskerAdapter, never, Settings> = Layer.effect(
  TaskerAdapter,
  Effect.gen(function* () {
    const { taskerUrl, taskerToken, taskerTimeout } = yield* Settings
    if (Option.isNone(taskerUrl) || Option.isNone(taskerToken)) {
      const missing = Option.isNone(taskerUrl) ? variables.taskerUrl : variables.taskerToken
      const refuse: TaskerSend.Send = () => Effect.fail({ _tag: "Unconfigured", variable: missing.name })
      return yield* adapter(refuse, [], {
        reachable: Effect.succeed("unconfigured"),
        available: Effect.succeed(false),
        warnings: Effect.succeed([]),
        isProbeDue: Effect.succeed(false)
      })
    }
    const timeoutMillis = Duration.toMillis(taskerTimeout)
    const token = Redacted.value(taskerToken.value)
    const { basePath, gate, state, transport } = yield* TaskerLink.make(
      taskerUrl.value,
      timeoutMillis,
      TaskerGate.make
    )
    const send = TaskerSend.make(transport, gate, {
      path: basePath + apiPath,
      admit: TaskerSend.bearing(token),
      timeoutMillis
    })
    return yield* adapter(send, [token], { ...state, isProbeDue: gate.isProbeDue })
  })
)

const adapter = (
  send: TaskerSend.Send,
  secrets: ReadonlyArray<string>,
  {
    isProbeDue,
    ...state
  }: Pick<TaskerAdapter["Service"], "reachable" | "available" | "warnings"> &
    Pick<TaskerGate.Gate, "isProbeDue">
): Effect.Effect<TaskerAdapter["Service"]> =>
  Effect.gen(function* () {
    const capabilities = yield* Capabilities.make
    const credentials = {
      secrets,
      setting: variables.taskerToken.name,
      address: variables.taskerUrl.name
    }
    const exchange = <A>(call: Calls.Call<A>): Effect.Effect<A, WriteFailed> =>
      send(call).pipe(
        Effect.mapError((broken) => ofBroken(call, broken)),
        Effect.flatMap((reply) => judge(call, reply, credentials)),
        observed(call)
      )
    const ask = <A>(call: Calls.Call<A>): Effect.Effect<A, TaskerError> =>
      Effect.mapError(exchange(call), ({ failure }) => failure)
    /** A look-up is never the probe of an open circuit breaker: a read that can't fail for it goes first. */
    const lookUp = <A>(call: Calls.Call<A>): Effect.Effect<A, TaskerError | ServerError> => {
      const { projectId, who } = call
      const probe =
        projectId === undefined ? Effect.void : Effect.ignore(ask(Calls.projectContext(who, projectId)))
      return Effect.flatMap(isProbeDue, (isDue) => (isDue ? probe : Effect.void)).pipe(
        Effect.andThen(exchange({ ...call, lookUp: true })),
        Effect.mapError((failed) => (failed instanceof ServerError ? failed : failed.failure))
      )
    }
    const lists = yield* Lists.make(ask, capabilities)
    const versions = NewestVersions.make(capabilities)
    /** A change under the `updated_at` that the card had when it was planned. */
    const change = (
      asked: IssueChange,
      call: Calls.Call<TaskerIssue>
    ): Effect.Effect<TaskerIssue, WriteFailed> =>
      versions.judge(asked, exchange(call)).pipe(
        Effect.tapError(({ failure }) =>
          failure.reason === "conflict" ? capabilities.note("version_checks", "yes") : Effect.void
        ),
        Effect.ensuring(lists.forget(call.projectId))
      )
    /** A 409 with an id says that it was made before: a success, and no conflict. */
    const make = <A>(call: Calls.Call<A>): Effect.Effect<Made<A> | Existing, WriteFailed> =>
      send(call).pipe(
        Effect.mapError((broken) => ofBroken(call, broken)),
        Effect.flatMap((reply): Effect.Effect<Made<A> | Existing, WriteFailed> => {
          const id = existingId(call, reply)
          return id === undefined
            ? Effect.map(judge(call, reply, credentials), made)
            : Effect.as(capabilities.note("repeat_detection", "yes"), existing(id))
        }),
        observed(call),
        Effect.ensuring(lists.forget(call.projectId))
      )

    const listComments = (who: OnBehalf, query: CommentQuery) =>
      ask(Calls.listComments(who, query)).pipe(
        Effect.tap(capabilities.note("comment_listing", "yes")),
        Effect.tapError(({ reason }) =>
          reason === "unsupported" ? capabilities.note("comment_listing", "no") : Effect.void
        )
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
      issue: (who, reference) =>
        Effect.tap(lists.issue(who, reference), (card) =>
          card === undefined ? Effect.void : versions.show(card)
        ),
      listIssues: lists.listIssues,
      listComments,
      ...Looks.make(ask, lookUp, capabilities),
      createIssue: (ticket, asked) => make(Calls.createIssue(ticket, asked)),
      completeIssue: (_ticket, _asked, card) => Effect.succeed(card),
      updateIssue: (ticket, asked) => change(asked, Calls.updateIssue(ticket, asked)),
      moveIssue: (ticket, asked) => change(asked, Calls.moveIssue(ticket, asked)),
      setLabels: (ticket, asked) => change(asked, Calls.setLabels(ticket, asked)),
      setAssignees: (ticket, asked) => change(asked, Calls.setAssignees(ticket, asked)),
      addComment: (ticket, asked) => make(Calls.addComment(ticket, asked)),
      capabilities: capabilities.all,
      ...state
    })
  })

const made = <A>(value: A): Made<A> => ({ _tag: "Made", value })

const existing = (id: string): Existing => ({ _tag: "Existing", id })

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
