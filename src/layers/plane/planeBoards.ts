import { Array, Cache, Clock, Duration, Effect, Equal, Exit, Hash, Option } from "effect"
import { TaskerFailure } from "../../domain/Failure.ts"
import { folded } from "../../domain/folded.ts"
import type { ProjectId } from "../../domain/Ids.ts"
import type { Project } from "../../domain/Issue.ts"
import type { ProjectContext, ProjectQuery } from "../../domain/Tasker.ts"
import type { OnBehalf, TaskerError } from "../../services/TaskerAdapter.ts"
import type { Call } from "../tasker/taskerCalls.ts"
import * as Calls from "./planeBoardCalls.ts"
import type { Exchange } from "./planeExchange.ts"
import { type OwnerDenied, ownerAmong, type PlaneOwner } from "./planeOwner.ts"
import type { PlaneMember, PlanePage } from "./planeShapes.ts"

/**
 * Projects, states, labels and people, each cached by itself: Plane needs a request for each, and accepts few
 * in a minute. One refresh of a part serves every call that waits for it.
 */
export interface Boards {
  /** A project that the gateway's account is a member of. Fails with `not_found` for any other. */
  readonly project: (who: OnBehalf, projectId: ProjectId) => Effect.Effect<Project, TaskerFailure>
  readonly resolve: (who: OnBehalf, query: ProjectQuery) => Effect.Effect<Project, TaskerFailure>
  readonly context: (
    who: OnBehalf,
    projectId: ProjectId,
    age: Age
  ) => Effect.Effect<ProjectContext, TaskerFailure>
  /** The agent's owner as Plane knows them. Fails with `owner_not_member` if they may not do it. */
  readonly owner: (
    who: OnBehalf,
    projectId: ProjectId,
    doing: "reads" | "writes"
  ) => Effect.Effect<PlaneOwner, TaskerError>
  /** Display names of everybody who is or was in the project, by id. */
  readonly names: (
    who: OnBehalf,
    projectId: ProjectId
  ) => Effect.Effect<ReadonlyMap<string, string>, TaskerFailure>
  /** Number of requests that a call needs to know the whole project. */
  readonly missing: (who: OnBehalf, projectId: ProjectId) => Effect.Effect<number>
}

/** Greatest age of what is read: `recent` is good for names and ids, `now` for a name that was not found. */
export type Age = "recent" | "now"

const ages: Readonly<Record<Age, Duration.Duration>> = {
  recent: Duration.minutes(5),
  now: Duration.seconds(30)
}
/** A workspace's projects are read again for one that is not among them, at most once in this time. */
const againAfter = Duration.seconds(5)

const kept = 1000
/** A list of more pages is cut: no project has so many labels, and no workspace so many projects. */
const mostPages = 10

interface Timed<A> {
  readonly value: A
  readonly atMillis: number
}

const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

type AskFailing = Effect.Effect<never, TaskerFailure>

export const make = Effect.fnUntraced(function* (exchange: Exchange): Effect.fn.Return<Boards> {
  const ask = <A>(call: Call<A>): Effect.Effect<A, TaskerFailure> =>
    Effect.catchTag(exchange.ask(call), "GrantDenied", (denied): AskFailing => Effect.die(denied))

  const all = Effect.fnUntraced(function* <A>(
    page: (cursor: string | undefined) => Call<PlanePage<A>>
  ): Effect.fn.Return<ReadonlyArray<A>, TaskerFailure> {
    const found: Array<A> = []
    let cursor: string | undefined
    for (let pages = 0; pages < mostPages; pages++) {
      const { next_cursor, results }: PlanePage<A> = yield* ask(page(cursor))
      found.push(...results)
      if (next_cursor === null) break
      cursor = next_cursor
    }
    return found
  })

  const part = <P extends ProjectId | undefined, A>(
    lookup: (key: PartKey<P>) => Effect.Effect<A, TaskerFailure>
  ) =>
    Effect.map(
      Cache.makeWith(
        (key: PartKey<P>) =>
          Effect.zipWith(lookup(key), monotonicMillis, (value, atMillis): Timed<A> => ({ value, atMillis })),
        { capacity: kept, timeToLive: (exit) => (Exit.isSuccess(exit) ? ages.recent : Duration.zero) }
      ),
      (cache) => ({
        read: Effect.fnUntraced(function* (key: PartKey<P>, age: Age) {
          const seen = Option.getOrUndefined(yield* Cache.getSuccess(cache, key))
          const isOld =
            seen !== undefined && (yield* monotonicMillis) - seen.atMillis > Duration.toMillis(ages[age])
          if (isOld) yield* Cache.invalidateWhen(cache, key, (value) => value === seen)
          return (yield* Cache.get(cache, key)).value
        }),
        has: (key: PartKey<P>) => Effect.map(Cache.getSuccess(cache, key), Option.isSome),
        refresh: (key: PartKey<P>) => Effect.map(Cache.refresh(cache, key), ({ value }) => value)
      })
    )

  const projects = yield* part(({ about, who }: PartKey<undefined>) =>
    all((cursor) => Calls.projects(who, cursor, about))
  )
  const projectsAgain = yield* Cache.makeWith(projects.refresh, {
    capacity: kept,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? againAfter : Duration.zero)
  })
  const people = yield* part(({ about, who }: PartKey<undefined>) => ask(Calls.workspaceMembers(who, about)))
  const members = yield* part(({ projectId, who }: PartKey<ProjectId>) =>
    ask(Calls.projectMembers(who, projectId))
  )
  const states = yield* part(({ projectId, who }: PartKey<ProjectId>) =>
    all((cursor) => Calls.states(who, projectId, cursor))
  )
  const labels = yield* part(({ projectId, who }: PartKey<ProjectId>) =>
    all((cursor) => Calls.labels(who, projectId, cursor))
  )

  const ofWorkspace = (who: OnBehalf, about: ProjectId | undefined) => new PartKey(who, undefined, about)
  const keyOf = (who: OnBehalf, projectId: ProjectId) => new PartKey(who, projectId, projectId)

  /** Looks in what is cached, and in what Plane says now before it fails: the project may be new. */
  const findProject = Effect.fnUntraced(function* (
    who: OnBehalf,
    isIt: (project: Project) => boolean,
    about: ProjectId | undefined
  ): Effect.fn.Return<Project, TaskerFailure> {
    const key = ofWorkspace(who, about)
    const isCached = yield* projects.has(key)
    const looks = [projects.read(key, "recent"), ...(isCached ? [Cache.get(projectsAgain, key)] : [])]
    for (const look of looks) {
      const found = (yield* look)
        // A public project is listed for everybody in the workspace, but only its members may enter it.
        .filter(({ is_member }) => is_member)
        .map(({ id, identifier, name }) => ({ id, identifier, name, workspace_slug: who.workspaceSlug }))
        .filter(isIt)
      const [only] = found
      if (only !== undefined && found.length === 1) return only
    }
    return yield* new TaskerFailure({
      reason: "not_found",
      message: `Looking up ${about === undefined ? "a project" : `project ${about}`}: the gateway's account is a member of no such project in workspace ${who.workspaceSlug}. Nothing was changed. Check the project, or have the account added to it.`
    })
  })

  const project = (who: OnBehalf, projectId: ProjectId) =>
    findProject(who, ({ id }) => id === projectId, projectId)

  const context = Effect.fnUntraced(function* (who: OnBehalf, projectId: ProjectId, age: Age) {
    const key = keyOf(who, projectId)
    const [found, stateList, labelList, memberList, peopleList] = yield* Effect.all(
      [
        project(who, projectId),
        states.read(key, age),
        labels.read(key, age),
        members.read(key, age),
        people.read(ofWorkspace(who, projectId), age)
      ],
      { concurrency: "unbounded" }
    )
    const roles = rolesOf(peopleList)
    return {
      project: found,
      // Cards in triage stand on no board.
      states: stateList.filter(({ group }) => group !== "triage"),
      labels: labelList,
      // Plane lists people who were removed; only the workspace knows roles, and only of those who are active.
      members: memberList.map(({ display_name, email, id }) => ({
        id,
        display_name,
        ...(email == null ? {} : { email }),
        ...(roles.has(id) ? { role: roles.get(id) ?? null } : {})
      }))
    } satisfies ProjectContext
  })

  const owner = Effect.fnUntraced(function* (
    who: OnBehalf,
    projectId: ProjectId,
    doing: "reads" | "writes"
  ): Effect.fn.Return<PlaneOwner, TaskerError> {
    const among = (age: Age): Effect.Effect<PlaneOwner, OwnerDenied | TaskerFailure> =>
      Effect.all([people.read(ofWorkspace(who, projectId), age), members.read(keyOf(who, projectId), age)], {
        concurrency: "unbounded"
      }).pipe(
        Effect.flatMap(([inWorkspace, inProject]) =>
          Effect.fromResult(ownerAmong({ who, projectId, doing, inWorkspace, inProject }))
        )
      )
    return yield* Effect.catchTag(among("recent"), "GrantDenied", () => among("now"))
  })

  return {
    project,
    resolve: (who, { identifier, name, project_id }) =>
      findProject(
        who,
        (found) =>
          (project_id === undefined || found.id === project_id) &&
          (identifier === undefined || folded(found.identifier) === folded(identifier)) &&
          (name === undefined || folded(found.name) === folded(name)),
        project_id
      ),
    context,
    owner,
    names: Effect.fnUntraced(function* (who, projectId) {
      const [inWorkspace, inProject] = yield* Effect.all(
        [people.read(ofWorkspace(who, projectId), "recent"), members.read(keyOf(who, projectId), "recent")],
        { concurrency: "unbounded" }
      )
      return new Map([...inProject, ...inWorkspace].map(({ display_name, id }) => [id, display_name]))
    }),
    missing: (who, projectId) =>
      Effect.map(
        Effect.all([
          projects.has(ofWorkspace(who, projectId)),
          people.has(ofWorkspace(who, projectId)),
          ...[members, states, labels].map(({ has }) => has(keyOf(who, projectId)))
        ]),
        (known) => Array.countBy(known, (isKnown) => !isKnown)
      )
  }
})

const rolesOf = (people: ReadonlyArray<PlaneMember>): ReadonlyMap<string, number> =>
  new Map(people.flatMap(({ id, role }) => (role == null ? [] : [[id, role] as const])))

/** Equal for one project, or one workspace; carries who asks. */
class PartKey<P extends ProjectId | undefined> implements Equal.Equal {
  readonly who: OnBehalf
  readonly projectId: P
  /** The project that the call is about. */
  readonly about: ProjectId | undefined
  constructor(who: OnBehalf, projectId: P, about: ProjectId | undefined) {
    this.who = who
    this.projectId = projectId
    this.about = about
  }
  [Equal.symbol](that: Equal.Equal): boolean {
    return (
      that instanceof PartKey &&
      this.projectId === that.projectId &&
      this.who.workspaceSlug === that.who.workspaceSlug
    )
  }
  [Hash.symbol](): number {
    return Hash.string(`${this.who.workspaceSlug} ${this.projectId ?? ""}`)
  }
}
