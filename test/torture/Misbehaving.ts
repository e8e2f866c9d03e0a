import type { Counterpart, Fault, Misbehaviour, Project } from "./counterparts/Counterpart.ts"
import { brokerDelay, type HoldUps } from "./HoldUps.ts"
import type { Strike } from "./Plan.ts"

export type Answering = Extract<Strike, { kind: "tasker.answers" }>
export type Lacking = Extract<Strike, { kind: "tasker.lacks" }>
export type Straggling = Extract<Strike, { kind: "tasker.straggles" }>

/** All that is wrong with Tasker at one moment of a plan, as its reference is told. */
export const misbehaviourOf = (
  counterpart: Counterpart,
  strikes: Iterable<Answering | Lacking | Straggling>,
  projects: ReadonlyArray<Project>,
  holdUps: HoldUps
): Misbehaviour => {
  const faults: Array<Fault> = []
  let switches: Misbehaviour["switches"] = {}
  const all = [...strikes]
  for (const strike of all) {
    switch (strike.kind) {
      case "tasker.answers":
        if (strike.wrong === "broker_lost" && counterpart.brokerLost !== undefined) {
          switches = { ...switches, ...counterpart.brokerLost }
        } else faults.push(...answersOf(counterpart, strike, projects, lacksComments(all), holdUps))
        break
      case "tasker.lacks":
        switches = { ...switches, ...counterpart.lacks[strike.lack] }
        break
      case "tasker.straggles":
        switches = { ...switches, ...counterpart.straggler.switches }
        // Before all others: what else is wrong must not take its calls.
        faults.unshift(
          ...["create", "comment"].map((op) => ({
            op,
            fault: "delay",
            every: 2,
            delay_ms: holdUps.settleAfter + strike.late - counterpart.straggler.early
          }))
        )
    }
  }
  return { faults, switches }
}

const lacksComments = (strikes: ReadonlyArray<Answering | Lacking | Straggling>) =>
  strikes.some((strike) => strike.kind === "tasker.lacks" && strike.lack === "no_comments_listing")

const answersOf = (
  { writeOps }: Counterpart,
  { every, wrong }: Answering,
  projects: ReadonlyArray<Project>,
  listsNoComments: boolean,
  holdUps: HoldUps
): ReadonlyArray<Fault> => {
  switch (wrong) {
    case "drop":
      return [{ op: "create", fault: wrong, every }]
    case "foreign":
      // Of a Tasker that names a wrong comment and lists none, nobody could find out that it is wrong.
      return (listsNoComments ? ["create"] : ["create", "comment"]).map((op) => ({
        op,
        fault: wrong,
        every,
        names: Object.fromEntries(
          projects.map(({ foreign, id }) => [id, op === "comment" ? foreign.comment : foreign.issue])
        )
      }))
    default:
      return writeOps.map((op) => ({ op, fault: wrong, every, ...detailsOf(holdUps)[wrong] }))
  }
}

const detailsOf = ({
  taskerDelay
}: HoldUps): Readonly<Record<string, Readonly<Record<string, unknown>>>> => ({
  // Longer than the gateway waits for Tasker, so that it finds out by looking.
  delay: { delay_ms: taskerDelay },
  delay_after: { delay_ms: taskerDelay },
  broker_lost: { delay_ms: brokerDelay },
  proxied: {
    carried_out: true,
    status: 404,
    body: "<html><head><title>404 Not Found</title></head><body>nginx</body></html>",
    content_type: "text/html"
  }
})
