import type { Options } from "../Options.ts"
import type { Heard } from "../Wire.ts"
import { nodedc } from "./nodedc.ts"
import { plane } from "./plane.ts"

export const taskerKinds = ["nodedc", "plane"] as const
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

/** The reference that stands for Tasker in a run: how it is started, misled and read. */
export interface Counterpart {
  readonly kind: TaskerKind
  readonly name: string
  /** Its program and where it listens. */
  readonly script: string
  readonly environment: (port: number, databaseUrl: string) => Readonly<Record<string, string>>
  /** Of a gateway that reaches it by a URL. */
  readonly gateway: (url: string) => Readonly<Record<string, string>>
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
  /** SQL on its database: `writes`, `cards` and `comments`, of the columns that `Records.ts` reads. */
  readonly statements: Readonly<Record<"writes" | "cards" | "comments", string>>
}

/** What the run says to it beside the gateway. */
export interface Api {
  readonly project: (at: number) => Promise<Project>
  /** Makes everything wrong that is given, and nothing else. */
  readonly misbehave: (misbehaviour: Misbehaviour) => Promise<void>
  /** Changes a card as a person does on the board. */
  readonly edit: (issue: string, priority: string) => Promise<void>
}

export const counterpartOf = (options: Pick<Options, "tasker" | "profile" | "planeLimit">): Counterpart =>
  options.tasker === "plane" ? plane(options.planeLimit) : nodedc(options.profile)

export const owner = { id: "owner-1", email: "owner@example.test" }

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
