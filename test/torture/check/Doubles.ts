import type { EventRow, KeyRow } from "./Records.ts"
import { succeeded, type Told } from "./Story.ts"

/** The action of the event that tells a double; the write's own event stays its only `executed` one. */
export const doubledAction = "write.doubled"

/**
 * Says why a write that is in Tasker more than once was not told; undefined if it was: its key says so, the trail
 * does, and so does every response to a later call.
 */
export const untold = (
  told: Told,
  rows: ReadonlyArray<KeyRow>,
  events: ReadonlyArray<EventRow>
): string | undefined => {
  if (!rows.some(({ doubled }) => doubled)) return "its key does not say so"
  const at = events.findIndex(({ action }) => action === doubledAction)
  if (at < 0) return "the trail does not"
  const later = new Set(events.slice(at + 1).map(({ request_id }) => request_id))
  const silent = told.calls.find(
    (call) => succeeded(call) && later.has(call.call) && !warnsOfDouble(call.reply?.answer?.warnings)
  )
  return silent === undefined ? undefined : `the response to call ${silent.call} does not`
}

const warnsOfDouble = (warnings: unknown): boolean =>
  Array.isArray(warnings) &&
  warnings.some(
    (warning: { readonly field?: unknown; readonly message?: unknown }) =>
      (warning.field === "issue" || warning.field === "comment") &&
      /\bmore than one (card|comment)\b/.test(String(warning.message))
  )
