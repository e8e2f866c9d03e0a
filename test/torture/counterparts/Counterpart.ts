import type { TaskerRecords } from "../check/Records.ts"
import type { Options } from "../Options.ts"
import type { Heard } from "../Wire.ts"
import { nodedc } from "./nodedc.ts"
import { plane } from "./plane.ts"
import { namedPlane, realPlane } from "./realPlane.ts"

export const taskerKinds = ["nodedc", "plane", "real-plane"] as const
export type TaskerKind = (typeof taskerKinds)[number]

/** A project, with more states, labels and members than one card can use up. */
export interface Project {
  readonly id: string
  readonly workspace: string
  readonly states: ReadonlyArray<Named>
  readonly labels: ReadonlyArray<Named>
  readonly members: ReadonlyArray<Named>
  /** A card and a comment that no agent of the run has made. */
  readonly foreign: { readonly issue: string; readonly comment: string }
}

export interface Named {
  readonly id: string
  readonly name: string
}

/** One way in which Tasker answers wrongly, as the reference is told of it. */
export interface Fault {
  readonly op: string
  readonly fault: string
  readonly every: number
  readonly [detail: string]: unknown
}

/** All that is wrong with Tasker at a moment. */
export interface Misbehaviour {
  readonly faults: ReadonlyArray<Fault>
  readonly switches: Readonly<Record<string, boolean | number>>
}

/** A write of Tasker's log, by the checker's names. A change of several things has several effects. */
export interface Written {
  readonly op: string
  readonly issue_id: string
  readonly body: Readonly<Record<string, unknown>>
}

/** What a run gives to the program that stands for Tasker. */
export interface Place {
  readonly port: number
  /** A database of its own. */
  readonly databaseUrl: string
  /** The folder of the run. */
  readonly folder: string
}

/** What stands for Tasker in a run, a reference or a proxy before a real Plane: how it is started, misled and read. */
export interface Counterpart {
  readonly kind: TaskerKind
  readonly name: string
  /** Its program and where it listens. */
  readonly script: string
  readonly environment: (place: Place) => Readonly<Record<string, string>>
  /** Faults that other counterparts have and this one can't make, in words. */
  readonly leftOut: ReadonlyArray<string>
  /** Of a gateway that reaches it by a URL. */
  readonly gateway: (url: string) => Readonly<Record<string, string>>
  /** Workers of one agent: as many as it can serve in time. */
  readonly workersEach: number
  /** Days that a grant lasts, if it has to end. */
  readonly grantDays: number | undefined
  /** True if it may carry out a change twice: it knows no `Idempotency-Key` and checks no version. */
  readonly repeatsChanges: boolean
  /** Its calls that change something. */
  readonly writeOps: ReadonlyArray<string>
  /** Wrong answers of its own, besides those that every Tasker has. */
  readonly ownAnswers: ReadonlyArray<string>
  /** The switches of a message broker that is gone, if no fault is for it. */
  readonly brokerLost: Misbehaviour["switches"] | undefined
  /** Things that it can do without for a while, with the switches that take them away. */
  readonly lacks: Readonly<Record<string, Misbehaviour["switches"]>>
  /** What makes a request that is held up until after its resend double: no look at what stands there, or an early one. */
  readonly straggler: { readonly switches: Misbehaviour["switches"]; readonly early: number }
  readonly api: (url: string) => Api
  /** The write that a request asks for; undefined if it asks for none. */
  readonly writeOf: (request: Heard) => Written | undefined
  readonly effectsOf: (write: Written) => ReadonlyArray<string>
  /** Reads what it carried out and has. With `only`, as far as these cards are concerned; more does no harm. */
  readonly records: (place: Place, only?: ReadonlySet<string>) => Promise<TaskerRecords>
}

/** What the run says to it beside the gateway. */
export interface Api {
  /** In whose name the agents act. */
  readonly owner: () => Promise<Owner>
  readonly project: (at: number) => Promise<Project>
  /** Makes everything wrong that is given, and nothing else. */
  readonly misbehave: (misbehaviour: Misbehaviour) => Promise<void>
  /** Changes a card as a person does on the board. */
  readonly edit: (issue: string, priority: string) => Promise<void>
  /** Deletes what the run made in a Tasker that outlives it. Returns words for what is left, if anything is. */
  readonly discard: () => Promise<string | undefined>
}

export interface Owner {
  readonly id: string
  readonly email: string
}

export const counterpartOf = ({
  planeLimit,
  profile,
  tasker
}: Pick<Options, "tasker" | "profile" | "planeLimit">): Counterpart => {
  switch (tasker) {
    case "nodedc":
      return nodedc(profile)
    case "plane":
      return plane(planeLimit)
    case "real-plane":
      return realPlane(namedPlane(process.env))
  }
}

export const owner: Owner = { id: "owner-1", email: "owner@example.test" }

export const numbered = (count: number, name: string) =>
  Array.from({ length: count }, (_, at) => `${name} ${at + 1}`)

/** Sends JSON and reads JSON; anything but a success is thrown. */
export const sender =
  (url: string) =>
  async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    // biome-ignore lint/suspicious/noExplicitAny: of whatever shape a reference answers
    return (text === "" ? undefined : JSON.parse(text)) as any
  }
