import { Effect, Predicate, Result, Schema } from "effect"
import {
  type AuthFailure,
  IdempotencyRefused,
  type InputInvalid,
  type ToolFailure
} from "../domain/Failure.ts"
import { ProjectId } from "../domain/Ids.ts"
import { Warning } from "../domain/Issue.ts"
import { invalid, secretIn } from "../domain/inputs.ts"
import { fingerprint } from "../domain/Operation.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Scope } from "../domain/Scope.ts"
import type { TaskerComment, TaskerIssue } from "../domain/Tasker.ts"
import type { Write, Written } from "../domain/Write.ts"
import type { GrantPolicy } from "../services/GrantPolicy.ts"
import type {
  Existing,
  Made,
  OnBehalf,
  TaskerAdapter,
  TaskerError,
  WriteTicket
} from "../services/TaskerAdapter.ts"
import type { Board } from "./Board.ts"
import { toJsonSchema } from "./jsonSchema.ts"
import type { Change, Output } from "./show.ts"
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
  readonly who: OnBehalf
  readonly tasker: Tasker
  readonly policy: GrantPolicy["Service"]
}

/** What a write tool decides before anything is reserved: the change in Tasker's terms, and in the caller's. */
export interface Plan<W extends Write = Write> {
  readonly write: W
  readonly change: Change
}

/** A call of a tool with its arguments decoded, ready to be run once it is authorised. */
export type Opened =
  | { readonly kind: "session"; readonly run: (session: Session) => Effect.Effect<Output, Failure> }
  | {
      readonly kind: "read"
      readonly scope: Scope
      readonly projectId: ProjectId
      readonly run: (board: Board) => Effect.Effect<Output, Failure>
    }
  | OpenedWrite

export interface OpenedWrite {
  readonly kind: "write"
  readonly scope: Scope
  readonly projectId: ProjectId
  readonly key: string
  readonly dryRun: boolean
  readonly fingerprint: string
  /** The card's fields that this call sets, by the names of the answer. */
  readonly wrote: ReadonlyArray<string>
  /** Whether `plan` may ask Tasker; where it does not, the reservation itself authenticates the call. */
  readonly asksTasker: boolean
  readonly plan: (board: Board) => Effect.Effect<Plan, Failure>
}

export interface Tool {
  readonly name: string
  /** The scope that it needs on the project that it is called for; null where it needs none. */
  readonly scope: Scope | null
  readonly writes: boolean
  readonly listing: ToolListing
  readonly open: (args: unknown) => Result.Result<Opened, InputInvalid | IdempotencyRefused>
  /** Sends a planned change to Tasker, once, now. */
  readonly apply: (
    write: Write,
    ticket: WriteTicket,
    tasker: Tasker
  ) => Effect.Effect<Written | Existing, TaskerError>
}

/** A tool about the caller itself, or about projects at large. `scope` only decides to whom it is listed. */
export const sessionTool = <I extends Fields, O extends Fields>(
  tool: Described<I, O> & {
    readonly scope: Scope | null
    readonly run: (args: Decoded<I>, session: Session) => Effect.Effect<Decoded<O>, Failure>
  }
): Tool =>
  define<Decoded<I>>(tool, tool.input, tool.output, (args) => ({
    kind: "session",
    run: (session) => tool.run(args, session)
  }))

/** A tool that reads in one project. */
export const readTool = <I extends Fields, O extends Fields>(
  tool: Described<I, O> & {
    readonly scope: Scope
    readonly run: (args: InProject<I>, board: Board) => Effect.Effect<Decoded<O>, Failure>
  }
): Tool =>
  define<InProject<I>>(tool, { ...inProject, ...tool.input }, tool.output, (args) => ({
    kind: "read",
    scope: tool.scope,
    projectId: args.project_id,
    run: (board) => tool.run(args, board)
  }))

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
    /** Whether planning these arguments has to ask Tasker anything; left out: it always does. */
    readonly asksTasker?: (args: InProject<I>) => boolean
    readonly plan: (args: InProject<I>, board: Board) => Effect.Effect<Plan<Of<T>>, Failure>
    readonly apply: (
      write: Of<T>,
      ticket: WriteTicket,
      tasker: Tasker
    ) => Effect.Effect<Written | Existing, TaskerError>
  }
): Tool => {
  const isMine = (write: Write): write is Of<T> => write._tag === tool.makes
  return {
    ...define<Writing<I>>(
      tool,
      { ...inProject, ...tool.input, ...written },
      orDryRun(tool.output),
      (args) => ({
        kind: "write",
        scope: tool.scope,
        projectId: args.project_id,
        key: args.idempotency_key,
        dryRun: args.dry_run === true,
        fingerprint: fingerprint(tool.name, args),
        wrote: Object.keys(args).filter((name) => !notFields.has(name)),
        asksTasker: tool.asksTasker?.(args) ?? true,
        plan: (board) => tool.plan(args, board)
      })
    ),
    writes: true,
    apply: (write, ticket, tasker) => (isMine(write) ? tool.apply(write, ticket, tasker) : notItsWrite)
  }
}

type Of<T extends Write["_tag"]> = Extract<Write, { readonly _tag: T }>
type Decoded<F extends Fields> = Schema.Struct<F>["Type"]
type InProject<F extends Fields> = Decoded<F> & { readonly project_id: ProjectId }
type Writing<F extends Fields> = InProject<F> & {
  readonly idempotency_key: string
  readonly dry_run?: boolean
}

const inProject = { project_id: ProjectId }

const keyForm = /^[A-Za-z0-9_:.-]{8,128}$/u

const written = {
  idempotency_key: Schema.String.check(
    Schema.isPattern(keyForm, { message: "Expected 8 to 128 characters of A-Z a-z 0-9 _ : . -" })
  ).pipe(Schema.annotateKey({ description: "One key for one intended change; the same key on a retry." })),
  dry_run: Schema.optionalKey(Schema.Boolean).pipe(
    Schema.annotateKey({ description: "Check everything and show the change without making it." })
  )
}

/** Arguments that choose what and how, and set no field of the card. */
const notFields = new Set([
  "project_id",
  "issue_id",
  "idempotency_key",
  "dry_run",
  "expected_updated_at",
  "allow_content_loss"
])

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

/** `A` is what `input` decodes to; it is told apart since the fields of all tools are added to each one's own. */
const define = <A>(
  tool: Described<Fields, Fields> & { readonly scope: Scope | null },
  input: Fields,
  output: Fields,
  open: (args: A) => Opened
): Tool => {
  const schema = Object.keys(input).length === 0 ? noArguments : Schema.Struct(input)
  const decode = Schema.decodeUnknownResult(schema as unknown as Schema.Codec<A>, {
    errors: "all",
    onExcessProperty: "error"
  })
  const writes = "idempotency_key" in input
  return {
    name: tool.name,
    scope: tool.scope,
    writes,
    listing: {
      name: tool.name,
      title: tool.title,
      description: tool.description,
      inputSchema: toJsonSchema(schema, true),
      outputSchema: toJsonSchema(Schema.Struct(output), false),
      annotations: {
        title: tool.title,
        readOnlyHint: !writes,
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: false
      }
    },
    open: (args) => {
      const refused = secretIn(args) ?? (writes ? keyMissingIn(args) : undefined)
      if (refused !== undefined) return Result.fail(refused)
      return Result.mapBoth(decode(args), { onSuccess: open, onFailure: invalid })
    },
    apply: () => notItsWrite
  }
}

const keyMissingIn = (args: unknown): IdempotencyRefused | undefined =>
  Predicate.isObject(args) && !Predicate.hasProperty(args, "idempotency_key")
    ? new IdempotencyRefused({
        reason: "key_missing",
        message:
          "A write needs an idempotency_key: 8 to 128 characters of A-Z a-z 0-9 _ : . -, a new one for each intended change and the same one on a retry. Nothing was changed."
      })
    : undefined

/** What Tasker answered to a change of a card. */
export const changed = (issue: TaskerIssue): Written => ({ _tag: "Issue", issue })

/** What Tasker answered to the making of something that may have been there already. */
export const made =
  <T extends Written["_tag"]>(kind: T) =>
  (sent: Existing | Made<T extends "Issue" ? TaskerIssue : TaskerComment>): Written | Existing => {
    if (sent._tag === "Existing") return sent
    return kind === "Issue"
      ? { _tag: "Issue", issue: sent.value as TaskerIssue }
      : { _tag: "Comment", comment: sent.value as TaskerComment }
  }
