import type { Event } from "../History.ts"
import type { Records } from "./Records.ts"
import { type Call, type Story, succeeded, type Told } from "./Story.ts"

/** Equal events of an agent in a minute that an instance writes one by one (CONTRACT 2). */
const singles = 60
const windowMillis = 60_000
/** Counts that a crash can lose: those of so long before it. */
const flushedMillis = 5000

/**
 * Returns the calls that may lack an event of their own because the trail counts them: replays beyond the 60th of an
 * agent, tool and instance in a minute, as many as the counts in the trail tell, and beyond that only what an instance
 * counted in the five seconds before it was killed.
 */
export const tallied = (
  story: Story,
  records: Records,
  events: ReadonlyArray<Event>,
  audited: ReadonlySet<string>
): ReadonlySet<string> => {
  const kills = events.flatMap((event) =>
    event.ev === "strike" && event.done && event.strike.kind === "instance.kill"
      ? [{ t: event.t, instance: event.strike.instance }]
      : []
  )
  const isLost = ({ instance, reply, t }: Call) =>
    kills.some(
      (kill) => kill.instance === instance && kill.t >= t && kill.t <= (reply?.t ?? t) + flushedMillis
    )
  const allowed = new Set<string>()
  const told = [...story.operations.values()]
  for (const [name, operations] of Map.groupBy(told, nameOf)) {
    const replays = operations.flatMap(({ calls }) => calls.filter(isReplay))
    const beyond = replays.filter(
      (call) => !audited.has(call.call) && earlier(call, replays).length >= singles
    )
    const counted = records.events
      .filter(
        (event) =>
          event.outcome === "replayed" && nameOf({ agent: event.agent_id, tool: event.action }) === name
      )
      .reduce((all, { count }) => all + count - 1, 0)
    const lost = beyond.filter(isLost)
    const kept = beyond.filter((call) => !isLost(call))
    for (const call of [...lost, ...kept.slice(0, counted)]) allowed.add(call.call)
  }
  return allowed
}

const nameOf = ({ agent, tool }: { readonly agent: string | null; readonly tool: Told["tool"] }): string =>
  `${agent} ${tool}`

const isReplay = (call: Call): boolean => succeeded(call) && call.reply?.replayed === true

/** Replays that the same instance answered in the minute before. A call is recorded between its start and its reply. */
const earlier = (call: Call, replays: ReadonlyArray<Call>): ReadonlyArray<Call> =>
  replays.filter(
    (other) =>
      other !== call &&
      other.instance === call.instance &&
      other.t <= (call.reply?.t ?? call.t) &&
      (other.reply?.t ?? other.t) > call.t - windowMillis
  )
