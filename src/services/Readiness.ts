import { Context, type Effect } from "effect"
import type { TaskerCapabilities } from "../domain/Tasker.ts"
import type { Unsealed } from "./AuditProof.ts"

/** How the things stand that the gateway needs to serve. */
export interface Checks {
  readonly database: "ok" | "unavailable"
  /** `unknown` while the database is out; `pending` where it is not the one that this code was made for. */
  readonly migrations: "ok" | "pending" | "unknown"
  readonly tasker: "ok" | "unconfigured" | "unreachable"
}

/** What is told besides and decides nothing: a sealer that is stuck keeps nobody from working. */
export interface Readings extends Checks {
  /** Null while the database can't say. */
  readonly audit: Unsealed | null
}

/** Readings for operators only. */
export interface OperatorReadings {
  readonly taskerCapabilities: TaskerCapabilities
  /** Sentences about what needs an operator's attention. */
  readonly warnings: ReadonlyArray<string>
}

export class Readiness extends Context.Service<
  Readiness,
  {
    /**
     * Asks each of them, within two seconds, and makes no call of Tasker's API for it. All who ask within a
     * second are given one result.
     */
    readonly check: Effect.Effect<Readings>
    /** Sends nothing. */
    readonly operators: Effect.Effect<OperatorReadings>
  }
>()("tasker-codex-api/services/Readiness") {}
