import { Effect, Predicate, Result, Schema } from "effect"
import type { Change } from "../domain/Change.ts"
import {
  type AuthFailure,
  IdempotencyRefused,
  type InputInvalid,
  type LimitReached,
  type ToolFailure
} from "../domain/Failure.ts"
import { IdempotencyKey, keyWords } from "../domain/IdempotencyKey.ts"
import { ProjectId } from "../domain/Ids.ts"
import { Warning } from "../domain/Issue.ts"
import { invalid, secretIn } from "../domain/inputs.ts"
import { fingerprint } from "../domain/Operation.ts"
import type { Principal } from "../domain/Principal.ts"
import { titleHash } from "../domain/Repetition.ts"
import type { Scope } from "../domain/Scope.ts"
import type { TaskerComment, TaskerIssue } from "../domain/Tasker.ts"
import type { Write, Written } from "../domain/Write.ts"
import type { WriteFailed } from "../domain/WriteFailed.ts"
import type { GrantPolicy } from "../services/GrantPolicy.ts"
import type { Repetition } from "../services/Idempotency.ts"
import type { Existing, Made, OnBehalf, TaskerAdapter, WriteTicket } from "../services/TaskerAdapter.ts"
import type { AgentTexts } from "../services/Texts.ts"
import type { Board } from "./Board.ts"
import { toJsonSchema } from "./jsonSchema.ts"
import type { Output } from "./show.ts"
import type { ToolListing } from "./Tools.ts"

/**
 * What a tool is. A tool's file says its name, its words, its scope, its schemas and what it asks of
 * Tasker; tokens, keys, audit and protocol are the pipeline's. There are three kinds: about the
 * caller itself, reading in a project, and writing in a project.
 */

type Tasker = TaskerAdapter["Service"]
type Fields = Schema.Struct.Fields
type Failure = Exclude<ToolFailure, AuthFailure>

interface Described<I extends Fields, O extends Fields> {
  readonly name: `tasker_${string}`
  readonly title: string
  readonly description: string
  readonly input: I
  readonly output: O
}

/** What a tool that is not about one project is given. */
export interface Session {
  readonly principal: Principal
  readonly who: Omit<OnBehalf, "workspaceSlug">
  readonly tasker: Tasker
  readonly policy: GrantPolicy["Service"]
  readonly texts: AgentTexts<LimitReached>
}

/** What a write tool decides before anything is reserved: the change in Tasker's terms, and in the caller's. */
export interface Plan<W extends Write = Write> {
  readonly write: W
  readonly change: Change
  /** The card that the change was planned on; absent if the write makes something. */
  readonly seen?: TaskerIssue
}

type Refused = InputInvalid | IdempotencyRefused

interface Listed {
  readonly name: string
  readonly listing: ToolListing
}

/** A tool about the caller itself, or about projects at large. `scope` only decides to whom it is listed. */
export interface SessionTool extends Listed {
  readonly _tag: "Session"
  readonly scope: Scope | null
  readonly decode: (
    args: unknown
  ) => Result.Result<(session: Session) => Effect.Effect<Output, Failure>, Refused>
}

/** A tool that reads in one project. */
export interface ReadTool extends Listed {
  readonly _tag: "Read"
  readonly scope: Scope
  readonly decode: (args: unknown) => Result.Result<ReadRequest, Refused>
}

/** A tool that changes one thing in one project. */
export interface WriteTool extends Listed {
  readonly _tag: "Write"
  readonly scope: Scope
  readonly decode: (args: unknown) => Result.Result<WriteRequest, Refused>
  /** Sends a planned change to Tasker, once, now. */
  readonly apply: (
    write: Write,
    ticket: WriteTicket,
    tasker: Tasker
  ) => Effect.Effect<Written | Existing, WriteFailed>
}

export type Tool = SessionTool | ReadTool | WriteTool

/** What is asked of a read, once its arguments are decoded. */
export interface ReadRequest {
  readonly projectId: ProjectId
  readonly run: (board: Board) => Effect.Effect<Output, Failure>
}

/** What a change expects of the card; undefined for what its caller does not say. */
export interface Expected {
  readonly version: string | undefined
  readonly updatedAt: string | undefined
}

/** What is asked of a write, once its arguments are decoded. */
export interface WriteRequest {
  readonly projectId: ProjectId
  readonly key: string
  readonly dryRun: boolean
  readonly fingerprint: string
  /** The card as its caller says that it read it. */
  readonly expected: Expected
  /** The arguments that are the tool's own: among them the card's fields that this call sets. */
  readonly wrote: ReadonlyArray<string>
  /** Whether `plan` asks nobody and costs next to nothing: then the reservation itself authenticates the call. */
  readonly plansAtOnce: boolean
  /** What it is recognised by when it is made again under another key. */
  readonly repetition: Repetition | undefined
  readonly plan: (board: Board) => Effect.Effect<Plan, Failure>
}

export const sessionTool = <I extends Fields, O extends Fields>(
  tool: Described<I, O> & {
    readonly scope: Scope | null
    readonly run: (args: Decoded<I>, session: Session) => Effect.Effect<Decoded<O>, Failure>
  }
): SessionTool => {
  const decode = decoder<Decoded<I>>(tool.input)
  return {
    _tag: "Session",
    name: tool.name,
    scope: tool.scope,
    listing: listingOf(tool, tool.input, tool.output, false),
    decode: (args) => Result.map(decode(args), (decoded) => (session) => tool.run(decoded, session))
  }
}

export const readTool = <I extends Fields, O extends Fields>(
  tool: Described<I, O> & {
    readonly scope: Scope
    readonly run: (args: InProject<I>, board: Board) => Effect.Effect<Decoded<O>, Failure>
  }
): ReadTool => {
  const input = { ...inProject, ...tool.input }
  const decode = decoder<InProject<I>>(input)
  return {
    _tag: "Read",
    name: tool.name,
    scope: tool.scope,
    listing: listingOf(tool, input, tool.output, false),
    decode: (args) =>
      Result.map(decode(args), (decoded) => ({
        projectId: decoded.project_id,
        run: (board) => tool.run(decoded, board)
      }))
  }
}

/**
 * A tool that changes one thing in one project. `plan` turns names into ids, binds cards to the
 * project and says what would change; `apply` sends that change. What lies between (dry run,
 * reservation, settling, audit) is the pipeline's.
 */
export const writeTool = <T extends Write["_tag"], I extends Fields, O extends Fields>(
  tool: Described<I, O> & {
    readonly scope: Scope
    /** The one kind of change that this tool makes. */
    readonly makes: T
    /**
     * Whether these arguments can be planned without asking Tasker anything and without work worth
     * speaking of, so that it may be done for a caller who is not known yet; left out: never.
     */
    readonly plansAtOnce?: (args: InProject<I>) => boolean
    /** The title by which a repetition under another key is noticed, and whether one is intended; left out: none is. */
    readonly repetition?: (args: InProject<I>) => { readonly title: string; readonly allowed: boolean }
    readonly plan: (args: InProject<I>, board: Board) => Effect.Effect<Plan<Of<T>>, Failure>
    readonly apply: (
      write: Of<T>,
      ticket: WriteTicket,
      tasker: Tasker
    ) => Effect.Effect<Written | Existing, WriteFailed>
  }
): WriteTool => {
  const input = { ...inProject, ...tool.input, ...written }
  const decode = decoder<Writing<I>>(input)
  const isMine = (write: Write): write is Of<T> => write._tag === tool.makes
  return {
    _tag: "Write",
    name: tool.name,
    scope: tool.scope,
    listing: listingOf(tool, input, orDryRun(tool.output), true),
    decode: (args) =>
      Result.map(Result.flatMap(keyed(args), decode), (decoded) => ({
        projectId: decoded.project_id,
        key: decoded.idempotency_key,
        dryRun: decoded.dry_run === true,
        fingerprint: fingerprint(tool.name, decoded),
        expected: { version: decoded.expected_version, updatedAt: decoded.expected_updated_at },
        wrote: Object.keys(decoded).filter((name) => name in tool.input),
        plansAtOnce: tool.plansAtOnce?.(decoded) ?? false,
        repetition: repetitionOf(tool.repetition?.(decoded)),
        plan: (board) => tool.plan(decoded, board)
      })),
    apply: (write, ticket, tasker) => (isMine(write) ? tool.apply(write, ticket, tasker) : notItsWrite)
  }
}

const repetitionOf = (known: { readonly title: string; readonly allowed: boolean } | undefined) =>
  known === undefined ? undefined : { titleHash: titleHash(known.title), allowed: known.allowed }

type Of<T extends Write["_tag"]> = Extract<Write, { readonly _tag: T }>
type Decoded<F extends Fields> = Schema.Struct<F>["Type"]
type InProject<F extends Fields> = Decoded<F> & { readonly project_id: ProjectId }
type Writing<F extends Fields> = InProject<F> & {
  readonly idempotency_key: string
  readonly dry_run?: boolean
  /** Among the arguments of changes alone. */
  readonly expected_version?: string
  readonly expected_updated_at?: string
}

const inProject = { project_id: ProjectId }

const written = {
  idempotency_key: IdempotencyKey.pipe(
    Schema.annotateKey({ description: "One key for one intended change; the same key on a retry." })
  ),
  dry_run: Schema.optionalKey(Schema.Boolean).pipe(
    Schema.annotateKey({ description: "Check everything and show the change without making it." })
  )
}

const ChangeShown = Schema.Struct({
  before: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))),
  after: Schema.Record(Schema.String, Schema.Unknown)
})

/** A write answers with what it did, or, after a dry run, with what it would do. */
const orDryRun = <O extends Fields>(output: O) => ({
  ...Object.fromEntries(
    Object.entries(output).map(([name, schema]) => [name, Schema.optionalKey(schema as Schema.Top)])
  ),
  replayed: Schema.optionalKey(Schema.Boolean),
  warnings: Schema.optionalKey(Schema.Array(Warning)),
  truncated: Schema.optionalKey(Schema.Literal(true)),
  next_offset: Schema.optionalKey(Schema.Int),
  dry_run: Schema.optionalKey(Schema.Literal(true)),
  change: Schema.optionalKey(ChangeShown)
})

const notItsWrite = Effect.die(new Error("A tool was handed a change that is not of its kind"))

/** A struct without fields admits whatever is not null, as TypeScript's `{}` does; this admits `{}` alone. */
const noArguments = Schema.Record(Schema.String, Schema.Never.annotate({ message: "There is no such field" }))

/** `A` is what `input` decodes to; it is told apart since fields of all tools are added to each one's own. */
const decoder = <A>(input: Fields) => {
  const schema = (Object.keys(input).length === 0
    ? noArguments
    : Schema.Struct(input)) as unknown as Schema.Codec<A>
  const every = Schema.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })
  const first = Schema.decodeUnknownResult(schema, { errors: "first", onExcessProperty: "error" })
  return (args: unknown): Result.Result<A, InputInvalid> => {
    const refused = secretIn(args)
    if (refused !== undefined) return Result.fail(refused)
    return Result.mapError(isCrowded(args) ? first(args) : every(args), invalid)
  }
}

/** More fields or items than any call has a use for: then the first fault is enough said, and found in no time. */
const isCrowded = (args: unknown): boolean =>
  Predicate.isObject(args) &&
  (Object.keys(args).length > 50 ||
    Object.values(args).some((value) => Array.isArray(value) && value.length > 100))

/** A write without a key is refused as that before anything else is said of it. */
const keyed = (args: unknown): Result.Result<unknown, IdempotencyRefused> =>
  Predicate.isObject(args) && !Predicate.hasProperty(args, "idempotency_key")
    ? Result.fail(
        new IdempotencyRefused({
          reason: "key_missing",
          message: `A write needs an idempotency_key: ${keyWords}, a new one for each intended change and the same one on a retry. Nothing was changed.`
        })
      )
    : Result.succeed(args)

const listingOf = (
  tool: Described<Fields, Fields>,
  input: Fields,
  output: Fields,
  writes: boolean
): ToolListing => ({
  name: tool.name,
  title: tool.title,
  description: tool.description,
  inputSchema: toJsonSchema(Schema.Struct(input), true),
  outputSchema: toJsonSchema(Schema.Struct(output), false),
  annotations: {
    title: tool.title,
    readOnlyHint: !writes,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false
  }
})

/** What Tasker answered to a change of a card. */
export const changed = (issue: TaskerIssue): Written => ({ _tag: "Issue", issue })

/** What Tasker answered to the making of a card or a comment, which may have been there already. */
export const madeIssue = (sent: Existing | Made<TaskerIssue>): Written | Existing =>
  sent._tag === "Existing" ? sent : changed(sent.value)

export const madeComment = (sent: Existing | Made<TaskerComment>): Written | Existing =>
  sent._tag === "Existing" ? sent : { _tag: "Comment", comment: sent.value }
