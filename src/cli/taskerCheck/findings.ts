import { type EndpointName, endpoints } from "../../layers/tasker/taskerApi.ts"
import type { Exchange, Outcome, Sent } from "./Probe.ts"
import { told } from "./Probe.ts"
import { type PromiseId, promises } from "./promises.ts"

/** What one part of the check found. */
export type Finding =
  | { readonly _tag: "Works"; readonly call: EndpointName }
  | { readonly _tag: "Without"; readonly call: EndpointName; readonly what: string }
  | {
      readonly _tag: "Wrong"
      readonly call: EndpointName
      readonly what: string
      readonly exchange: Exchange
    }
  | {
      readonly _tag: "Promise"
      readonly id: PromiseId
      /** Undefined: it could not be tried. */
      readonly holds: boolean | undefined
      readonly because?: string
    }

export const works = (call: EndpointName): Finding => ({ _tag: "Works", call })

export const without = (call: EndpointName, what: string): Finding => ({ _tag: "Without", call, what })

export const wrong = ({ exchange }: Sent<unknown>, what: string): Finding => ({
  _tag: "Wrong",
  call: exchange.call,
  what: `${exchange.purpose}: ${what}`,
  exchange
})

export const holds = (id: PromiseId): Finding => ({ _tag: "Promise", id, holds: true })
export const breaks = (id: PromiseId, because: string): Finding => ({
  _tag: "Promise",
  id,
  holds: false,
  because
})
export const untried = (id: PromiseId, because: string): Finding => ({
  _tag: "Promise",
  id,
  holds: undefined,
  because
})
export const promised = (id: PromiseId, kept: boolean, because: string): Finding =>
  kept ? holds(id) : breaks(id, because)

/** What is found if a request that has to succeed did not. */
export const failed = (sent: Sent<unknown>): ReadonlyArray<Finding> => {
  const { outcome } = sent
  return [wrong(sent, told(outcome)), ...(isBareError(outcome) ? [bareError(sent)] : [])]
}

/** An error status with a body that is none of Tasker's. */
const isBareError = (outcome: Outcome<unknown>): boolean =>
  outcome._tag === "Astray" && outcome.status >= 400 && outcome.status < 500

const bareError = ({ exchange, outcome }: Sent<unknown>): Finding =>
  breaks("errors.documents", `${exchange.purpose}: ${told(outcome)}`)

/** What is found if a request had to be refused, in one of these ways. */
export const refusal = (
  sent: Sent<unknown>,
  means: ReadonlyArray<string>,
  accepted: (sent: Sent<unknown>) => ReadonlyArray<Finding>
): ReadonlyArray<Finding> => {
  const { exchange, outcome } = sent
  if (outcome._tag === "Done" || outcome._tag === "Exists") return accepted(sent)
  if (outcome._tag === "Refused" && means.includes(outcome.means)) return [holds("errors.documents")]
  if (outcome._tag === "Broken") return failed(sent)
  const because = `${exchange.purpose}: ${told(outcome)}`
  return [without(exchange.call, `a readable refusal (${because})`), breaks("errors.documents", because)]
}

export type CallResult = "works" | "works without" | "wrong" | "not checked"

export interface CallFound {
  readonly call: EndpointName
  readonly method: string
  readonly path: string
  readonly result: CallResult
  readonly without: ReadonlyArray<string>
  readonly wrong: ReadonlyArray<string>
}

export interface PromiseFound {
  readonly id: PromiseId
  readonly title: string
  readonly result: "holds" | "does not hold" | "not checked"
  readonly because: string | null
}

const unique = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> => [...new Set(items)]

export const callsFound = (findings: ReadonlyArray<Finding>): ReadonlyArray<CallFound> =>
  (Object.keys(endpoints) as ReadonlyArray<EndpointName>).map((call) => {
    const { method, path } = endpoints[call]
    const own = findings.filter((finding) => finding._tag !== "Promise" && finding.call === call)
    const texts = (tag: "Without" | "Wrong") =>
      unique(own.flatMap((finding) => (finding._tag === tag && "what" in finding ? [finding.what] : [])))
    const [lacks, faults] = [texts("Without"), texts("Wrong")]
    const result =
      faults.length > 0
        ? "wrong"
        : lacks.length > 0
          ? "works without"
          : own.length > 0
            ? "works"
            : "not checked"
    return { call, method, path, result, without: lacks, wrong: faults }
  })

/** A promise holds if every try held. `otherwise` says why one was not tried. */
export const promisesFound = (
  findings: ReadonlyArray<Finding>,
  otherwise: string
): ReadonlyArray<PromiseFound> =>
  (Object.keys(promises) as ReadonlyArray<PromiseId>).map((id) => {
    const own = findings.flatMap((finding) =>
      finding._tag === "Promise" && finding.id === id ? [finding] : []
    )
    const broken = own.filter(({ holds }) => holds === false)
    const result =
      broken.length > 0 ? "does not hold" : own.some(({ holds }) => holds === true) ? "holds" : "not checked"
    const because =
      result === "does not hold"
        ? unique(broken.map(({ because = "" }) => because)).join("; ")
        : result === "not checked"
          ? (own.find(({ holds }) => holds === undefined)?.because ?? otherwise)
          : null
    return { id, title: promises[id].title, result, because }
  })
