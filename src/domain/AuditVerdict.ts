import type { Shown } from "./AuditVerification.ts"

/** What the verification of an export comes to, in one line for people. */
export interface Verdict {
  /** True if the export has events, and what came before them is known. */
  readonly holds: boolean
  readonly words: string
}

/** As many sequence numbers as are listed. */
const mostListed = 10

const listed = (numbers: ReadonlyArray<number>): string =>
  `${numbers.slice(0, mostListed).join(", ")}${numbers.length > mostListed ? `, … (${numbers.length} in all)` : ""}`

const events = (count: number): string => `${count} ${count === 1 ? "event" : "events"}`

/** `before` names what was given with `--previous`, if something was. */
export const verdictOf = (shown: Shown, before: string | undefined): Verdict => {
  const { altered, first, last, others, oversize, signer, signers, start, unchainedBefore } = shown
  if (last < first) {
    return {
      holds: false,
      words: `EMPTY: there is no event after event ${last} in it, and nothing is signed. It shows nothing.`
    }
  }
  const range = `${events(last - first + 1)}, sequence ${first}–${last}`
  const clauses = [
    signer === "checked"
      ? `signed with ${signers.join(", ")}`
      : `signed with ${signers.join(", ")}, which nobody vouches for: give --key`,
    start === "beginning"
      ? "from the beginning"
      : start === "joined"
        ? `joined to ${before}`
        : `nothing shows what came before event ${first}: give --previous`,
    others.length === 0
      ? undefined
      : `also signed in between with ${others.length === 1 ? "a key that was" : "keys that were"} not given: ${others.join(", ")}`,
    unchainedBefore === undefined ? undefined : `checkpoints not chained before sequence ${unchainedBefore}`,
    altered.length === 0 ? undefined : `altered at insertion: sequence ${listed(altered)}`,
    oversize.length === 0 ? undefined : `too large to be shown: sequence ${listed(oversize)}`
  ].filter((clause) => clause !== undefined)
  const word =
    start === "open" ? "NOT JOINED" : signer === "checked" ? "verified" : "consistent, signer not checked"
  return { holds: start !== "open", words: [`${word}: ${range}`, ...clauses].join("; ") }
}
