import { Context, type Effect } from "effect"

/** How the things stand that the gateway needs to serve. */
export interface Checks {
  readonly database: "ok" | "unavailable"
  /** `unknown` while the database is out; `pending` where it is not the one that this code was made for. */
  readonly migrations: "ok" | "pending" | "unknown"
  readonly tasker: "ok" | "unconfigured" | "unreachable"
}

/**
 * Asks each of them, within two seconds, and makes no call of Tasker's API for it. All who ask within a
 * second are given one result.
 */
export class Readiness extends Context.Service<Readiness, { readonly check: Effect.Effect<Checks> }>()(
  "tasker-codex-api/services/Readiness"
) {}
