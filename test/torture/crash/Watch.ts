import { statementName, taskerName } from "./names.ts"

/** Something that one side asks and the other answers, while one call of a tool is carried out. */
export interface Exchange {
  readonly between: "client and gateway" | "gateway and database" | "gateway and Tasker"
  /** What it is, such as `reserve`; told apart from an earlier one of the same call, as in `plan: read card (2)`. */
  readonly name: string
}

/**
 * The instants of an exchange at which a process can die and leave different things behind: it was
 * asked, and nobody has been told; it is carried out, and the answer is on its way; the answer was
 * handed over, and whatever comes next does not leave.
 */
export const moments = ["asked", "carried out", "answered"] as const
export type Moment = (typeof moments)[number]

/** Where a call ends with the gateway that carries it out: a moment of an exchange. */
export interface Point {
  readonly exchange: Exchange
  readonly moment: Moment
}

export const samePoint = (one: Point, other: Point): boolean =>
  one.moment === other.moment && one.exchange.name === other.exchange.name

export const pointName = ({ exchange, moment }: Point): string => `${exchange.name}, ${moment}`

/** A call as it can be told from all others in whatever it makes the gateway say. */
export interface Mark {
  readonly requestId: string
  /** A workspace that no other call is about, if Tasker is Plane. */
  readonly workspaceSlug: string
  /** What stands in parameters of its statements and of no other's: its key, its agent, its token, what it is kept under. */
  readonly signs: ReadonlyArray<Buffer>
}

/** One call on its way through a gateway, followed up to a point or to its end. */
export interface Trace {
  readonly call: Exchange
  /** The statement that was just asked. */
  readonly statement: (text: string) => Exchange
  /** The request to Tasker that was just asked. */
  readonly taskerRequest: (method: string, path: string) => Exchange
  /** An exchange is at a moment; true where the call is to stop here. From then on nothing of it gets through. */
  readonly reached: (exchange: Exchange, moment: Moment) => boolean
  readonly stopped: () => boolean
  /** It stands where it was to stop, the answer handed over where one was to be. */
  readonly stand: () => void
  readonly stands: () => boolean
  /** All points passed so far, in order. */
  readonly passed: () => ReadonlyArray<Point>
}

/** Knows the calls that are followed by what passes between a gateway and the rest of the world. */
export interface Watch {
  readonly follow: (mark: Mark, stop?: Point) => Trace
  /** Whose bytes these are; nobody's where the gateway goes about business of its own, such as recovery. */
  readonly owner: (bytes: Buffer) => Trace | undefined
  /** Whose HTTP request this is: by its request id, or, if it has none, by the workspace in its path. */
  readonly ownerOfRequest: (requestId: string | undefined, path: string) => Trace | undefined
}

export const makeWatch = (): Watch => {
  const followed: Array<{ readonly mark: Mark; readonly trace: Trace }> = []
  return {
    follow: (mark, stop) => {
      const trace = makeTrace(stop)
      followed.push({ mark, trace })
      return trace
    },
    owner: (bytes) =>
      followed.find(({ mark }) =>
        [Buffer.from(mark.requestId), ...mark.signs].some((sign) => bytes.includes(sign))
      )?.trace,
    ownerOfRequest: (requestId, path) =>
      followed.find(({ mark }) =>
        requestId === undefined
          ? path.includes(`/workspaces/${mark.workspaceSlug}/`)
          : mark.requestId === requestId
      )?.trace
  }
}

const makeTrace = (stop: Point | undefined): Trace => {
  const passed: Array<Point> = []
  const asked = new Map<string, number>()
  let stopped = false
  let stands = false
  /** A read means one thing before the key is taken, another before the write is sent, another after. */
  let phase: "plan" | "settle" | "answer" = "plan"

  const numbered = (between: Exchange["between"], name: string): Exchange => {
    const times = (asked.get(name) ?? 0) + 1
    asked.set(name, times)
    return { between, name: times === 1 ? name : `${name} (${times})` }
  }

  return {
    call: { between: "client and gateway", name: "call" },
    statement: (text) => {
      const name = statementName(text)
      if (name === "reserve" || name === "claim") phase = "settle"
      return numbered("gateway and database", name)
    },
    taskerRequest: (method, path) => {
      const name = taskerName(method, path)
      if (name === "send") phase = "answer"
      return numbered("gateway and Tasker", name === "send" ? name : `${phase}: ${name}`)
    },
    reached: (exchange, moment) => {
      const point = { exchange, moment }
      passed.push(point)
      stopped ||= stop !== undefined && samePoint(point, stop)
      return stopped
    },
    stopped: () => stopped,
    stand: () => {
      stands = true
    },
    stands: () => stands,
    passed: () => passed
  }
}
